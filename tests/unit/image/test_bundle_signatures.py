"""A bundle's signatures, and the keys by which they are judged."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.checking import check_bundle
from sugar_deploy.image.bundles.signing import read_key
from tests.unit.image.bundle_reader import takes
from tests.unit.image.bundle_samples import ARM, KEYS, SIGNED, X86, line, rom, zipped

SIGNATURES: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "of others first": (lambda: line("fs") + line("os"), None),
    "no known key": (lambda: line("fs"), "trusted-key"),
    "of other bytes": (lambda: line("os", ARM), "has not signed this"),
    "the first one decides": (lambda: line("os", ARM) + line("os"), "has not signed this"),
    "the other hash": (lambda: line("os", X86, "rmd160") + line("os"), "not sha256"),
    "carriage return": (lambda: line("os").replace(b"\n", b"\r\n"), "data.sig"),
    "more behind it": (lambda: line("os").replace(b"\n", b" more\n"), "fields"),
    "empty": (lambda: b"", "trusted-key"),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_first_line_of_a_known_key_decides(name: str, tmp_path: Path) -> None:
    make, said = SIGNATURES[name]
    (tmp_path / "runos1.zip").write_bytes(zipped({"data.sig": make(), "data.img": X86}))
    errors = check_bundle(tmp_path / "runos1.zip", [read_key(KEYS["os"])]).errors
    assert (errors == []) is (said is None), errors
    assert said is None or said in errors[0]


@pytest.mark.parametrize(
    ("data_sig", "error", "warning"),
    [
        (lambda: b"", "has no signature", ""),
        (lambda: line("os", X86, "rmd160"), "the lines are rmd160, not sha256", ""),
        (lambda: b"\n" + line("os") + line("fs"), "", ""),
        (lambda: b"sig01: sha256 nonsense\n" + line("os"), "", "data.sig: line 1"),
    ],
)
def test_without_a_key_the_form_of_signatures_is_looked_at(
    data_sig: Callable[[], bytes], error: str, warning: str, tmp_path: Path
) -> None:
    (tmp_path / "runos1.zip").write_bytes(zipped({"data.sig": data_sig(), "data.img": X86}))
    report = check_bundle(tmp_path / "runos1.zip")
    assert [error in one for one in report.errors] == [True] * bool(error)
    assert [one for one in report.warnings if "is not verified: give the public key os" in one]
    assert not warning or warning in report.warnings[0]


@pytest.mark.parametrize("hashes", [["sha256"], ["rmd160"], ["rmd160", "sha256"], ["sha256", "sha256"]])
def test_firmware_wants_both_hashes_in_their_order(hashes: list[str], tmp_path: Path) -> None:
    image = rom(1)
    data_sig = b"".join(line("fw", image, name) for name in hashes)
    (tmp_path / "bootfw1.zip").write_bytes(zipped({"data.sig": data_sig, "data.img": image}))
    assert not takes((tmp_path / "bootfw1.zip").read_bytes(), KEYS["fw"], ("sha256", "rmd160"), tmp_path)
    assert len(check_bundle(tmp_path / "bootfw1.zip", [read_key(KEYS["fw"])]).errors) == 1
    assert "not sha256, then rmd160" in check_bundle(tmp_path / "bootfw1.zip").errors[0]


def test_a_key_of_another_purpose_or_of_nobody_is_not_enough(stick: Path) -> None:
    shutil.copy(SIGNED / "bundle" / "fs1.zip", stick)
    shutil.copy(KEYS["os"], stick / "else.public")
    [error] = check_bundle(stick / "fs1.zip", [read_key(stick / "else.public")]).errors
    assert "trusted-key" in error
    unverified = check_bundle(stick / "fs1.zip", [read_key(KEYS["os"])])
    assert unverified.ok
    assert "is not verified" in unverified.warnings[0]


def test_a_key_that_laptops_cannot_take_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "os.public").write_bytes(bytes(294))
    with pytest.raises(UsageError, match="294 bytes"):
        read_key(tmp_path / "os.public")


@pytest.mark.parametrize(
    ("name", "purpose"), [("os", "os"), ("os-2", "os"), ("fs", "fs"), ("os-x", ""), ("lima", ""), ("delegate-1", "")]
)
def test_a_keys_name_tells_what_it_is_for(name: str, purpose: str, tmp_path: Path) -> None:
    shutil.copy(KEYS["os"], tmp_path / f"{name}.public")
    assert read_key(tmp_path / f"{name}.public").purpose == purpose
