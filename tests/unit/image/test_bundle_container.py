"""A bundle's zip: each rule of the firmware's reader broken once, and any bit of it flipped."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.image.bundles.checking import check_bundle
from sugar_deploy.image.bundles.signing import read_key
from tests.unit.image.bundle_reader import Unreadable, member, takes
from tests.unit.image.bundle_samples import KEYS, X86, good, piped, zipped


def commented() -> bytes:
    out = io.BytesIO(zipped(good()))
    with zipfile.ZipFile(out, "a") as archive:
        archive.infolist()[0].comment = b"hello"
        archive.writestr("version.txt", b"1")
    return out.getvalue()


def spliced(archive: bytes, before: bytes, junk: bytes) -> bytes:
    at = archive.index(before)
    return archive[:at] + junk + archive[at:]


CONTAINERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "sizes behind the data": (lambda: piped(good()), "data descriptor"),
    "deflated": (lambda: zipped(good(), compression=zipfile.ZIP_DEFLATED), "data.img: is compressed"),
    "begins late": (lambda: bytes(2000) + zipped(good()), "within the first 2000"),
    "junk before the directory": (lambda: spliced(zipped(good()), b"PK\x01\x02", b"junk"), "does not follow"),
    "a member's comment": (commented, "has a comment"),
    "capitals": (lambda: zipped({"data.sig": good()["data.sig"], "DATA.IMG": X86}), "small letters"),
    "a folder": (lambda: zipped({"a/data.img": X86}), "no folder"),
    "no image": (lambda: zipped({"data.sig": good()["data.sig"]}), "has no data.img"),
    "encrypted": (lambda: zipped(good()).replace(b"\x14\0\0\0\0\0", b"\x14\0\1\0\0\0", 1), "is encrypted"),
    "twice": (lambda: zipped(good())[:-10].replace(b"PK\x01\x02", zipped(good()), 1), "is there twice"),
    "cut off": (lambda: zipped(good())[:900], "the file ends within it"),
    "cut off in a header": (lambda: zipped(good())[: 30 + 8 + 592 + 9], "ends within a member's header"),
    "cut off in the directory": (lambda: zipped(good())[:-30], "does not end as it should"),
    "two sizes": (lambda: zipped(good()).replace(struct.pack("<I", 592), struct.pack("<I", 591), 1), "two sizes"),
    "zip64": (lambda: zipped(good()).replace(struct.pack("<II", 592, 592), b"\xff" * 8, 1), "is zip64"),
    "no zip": (lambda: b"a text", "no member begins"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_each_rule_of_the_zip_broken_once_is_named(name: str, tmp_path: Path) -> None:
    make, said = CONTAINERS[name]
    (tmp_path / "runos1.zip").write_bytes(make())
    errors = check_bundle(tmp_path / "runos1.zip", [read_key(KEYS["os"])]).errors
    assert any(said in error for error in errors), errors


@pytest.mark.parametrize("name", ["sizes behind the data", "begins late", "capitals", "a folder", "no zip"])
def test_the_model_of_the_reader_does_not_find_the_image_either(name: str) -> None:
    try:
        found = member(CONTAINERS[name][0](), "data.img")
    except Unreadable:
        return
    assert found != X86


def test_no_flipped_bit_is_taken_that_the_firmware_would_not_take(tmp_path: Path) -> None:
    archive = zipped(good())
    chance = random.Random(11)
    verdicts = []
    for _ in range(400):
        at, bit = chance.randrange(len(archive)), 1 << chance.randrange(8)
        damaged = archive[:at] + bytes([archive[at] ^ bit]) + archive[at + 1 :]
        (tmp_path / "runos1.zip").write_bytes(damaged)
        verdicts.append(check_bundle(tmp_path / "runos1.zip", [read_key(KEYS["os"])]).ok)
        if verdicts[-1]:
            assert member(damaged, "data.img") == X86, f"bit {bit} of byte {at}"
            assert takes(damaged, KEYS["os"], ("sha256",), tmp_path), f"bit {bit} of byte {at}"
    assert {True, False} == set(verdicts)
