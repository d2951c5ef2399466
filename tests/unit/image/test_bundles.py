"""Bundles of the historical tools are taken, and what is written is taken by a model of the firmware."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest
from olpc_security.bundles import sign_firmware, sign_image

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.checking import check_bundle
from sugar_deploy.image.bundles.signing import read_key
from sugar_deploy.image.bundles.writing import write_bundle
from tests.unit.image.bundle_reader import member, takes
from tests.unit.image.bundle_samples import ARM, KEYS, SCRIPT, SIGNED, VECTORS, X86, private, rom, zipped


def test_the_historical_bundles_are_taken_with_their_keys(stick: Path) -> None:
    shutil.copy(SIGNED / "bundle" / "fs1.zip", stick)
    shutil.copy(SIGNED / "bundle" / "runos1.zip", stick)
    report = check_bundle(stick / "fs1.zip", [read_key(KEYS["fs"])])
    assert (report.errors, report.warnings, report.facts["for"]) == ([], [], "XO-1.5")
    # Their kernel is a line of text: it is signed well, and no laptop can start it.
    report = check_bundle(stick / "runos1.zip", [read_key(KEYS["os"])])
    assert report.facts["signature"] == "good, by the key os"
    assert [error for error in report.errors if "bzImage" not in error] == []
    assert len(report.errors) == 1


def test_the_deflated_vector_is_refused_by_name(stick: Path) -> None:
    shutil.copy(VECTORS / "neg-deflated.zip", stick / "fs1.zip")
    assert member((stick / "fs1.zip").read_bytes(), "data.img") != (stick / "image.zsp").read_bytes()
    errors = check_bundle(stick / "fs1.zip").errors
    assert [re.search(r"data\.\w+: is compressed", error) is not None for error in errors] == [True, True]


@pytest.mark.parametrize(
    ("name", "image", "key"),
    [
        ("runos1.zip", X86, "os"),
        ("actos4.zip", ARM, "os"),
        ("runos2.zip", SCRIPT, "os"),
        ("actrd0.zip", b"\x1f\x8b\x08 a ramdisk", "os"),
        ("bootfw1.zip", rom(1), "fw"),
        ("fs1.zip", (VECTORS / "image.zsp").read_bytes(), "fs"),
    ],
)
def test_what_is_written_is_taken_by_the_firmware_and_by_the_check(
    name: str, image: bytes, key: str, stick: Path
) -> None:
    sign, hashes = (sign_firmware, ("sha256", "rmd160")) if key == "fw" else (sign_image, ("sha256",))
    write_bundle(stick / name, image, sign(image, [private(key)]))
    archive = (stick / name).read_bytes()
    assert member(archive, "data.img") == image
    assert takes(archive, KEYS[key], hashes, stick)
    assert zipfile.ZipFile(stick / name).testzip() is None
    report = check_bundle(stick / name, [read_key(KEYS[key])])
    assert (report.errors, report.warnings) == ([], [])


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    data_sig = sign_image(X86, [private("os")])
    for name in ("runos1.zip", "actos1.zip"):
        write_bundle(tmp_path / name, X86, data_sig)
    first = (tmp_path / "runos1.zip").read_bytes()
    assert (tmp_path / "actos1.zip").read_bytes() == first
    write_bundle(tmp_path / "actos1.zip", X86, sign_image(X86, [private("os")]))
    other = (tmp_path / "actos1.zip").read_bytes()
    assert len(other) == len(first)
    assert member(other, "data.img") == X86


def test_without_signatures_it_is_for_unlocked_laptops(stick: Path) -> None:
    write_bundle(stick / "runos1.zip", X86, None)
    report = check_bundle(stick / "runos1.zip")
    assert (report.ok, "only unlocked laptops" in report.warnings[0]) == (True, True)
    assert not check_bundle(stick / "runos1.zip", [read_key(KEYS["os"])]).ok
    with pytest.raises(UsageError, match="no unsigned one"):
        write_bundle(stick / "fs1.zip", (stick / "image.zsp").read_bytes(), None)
    (stick / "fs1.zip").write_bytes(zipped({"data.img": (stick / "image.zsp").read_bytes()}))
    assert "not even on unlocked" in check_bundle(stick / "fs1.zip").errors[0]


@pytest.mark.parametrize("name", ["runos.zip", "runos3.zip", "RunOS1.zip", "kernel.zip", "runos1.zd"])
def test_only_a_models_own_name_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one model's bundle"):
        write_bundle(tmp_path / name, X86, None)
    assert list(tmp_path.iterdir()) == []
