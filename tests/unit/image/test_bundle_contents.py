"""What is in a bundle: kernels, ramdisks, ROMs, specifications and an XO-1's script."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from olpc_security.bundles import sign_image

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.checking import check_bundle
from sugar_deploy.image.bundles.signing import read_key
from sugar_deploy.image.bundles.writing import write_bundle
from tests.unit.image.bundle_samples import ARM, KEYS, OLD_TREE, ROMS, X86, private, rom, script, zipped


@pytest.mark.parametrize(
    ("name", "archive", "said"),
    [
        ("runrd1.zip", lambda: zipped({"data.img": b"no ramdisk"}), "begins like no ramdisk"),
        ("runos1.zip", lambda: zipped({"data.img": X86, "notes.txt": b"1"}), "notes.txt: is not read"),
        ("runos1.zip", lambda: zipped({"data.img": X86}).replace(X86, X86[:-1] + b"\1"), "its CRC-32 is not that of"),
    ],
)
def test_what_the_firmware_does_not_mind_is_a_warning(
    name: str, archive: Callable[[], bytes], said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(archive())
    report = check_bundle(tmp_path / name)
    assert report.ok, report.errors
    assert [one for one in report.warnings if said in one], report.warnings
    (tmp_path / name).write_bytes(zipped({"data.img": X86, "version.txt": b"1"}))
    assert not [one for one in check_bundle(tmp_path / name).warnings if "not read" in one]


@pytest.mark.parametrize(
    ("name", "content", "is_told"),
    [
        ("runrd2.zip", OLD_TREE, True),
        ("runrd2.zip", gzip.compress(OLD_TREE, mtime=0), True),
        ("actrd2.zip", b"070701" + bytes((1 << 20) - 10) + OLD_TREE, True),
        ("runrd2.zip", OLD_TREE.replace(b"\t\t", b"\t"), False),
        ("runrd2.zip", gzip.compress(OLD_TREE, mtime=0)[:20], False),
        ("runrd4.zip", OLD_TREE, False),
    ],
    ids=["plain", "gzip", "far in it", "other words", "cut off", "an XO-4's"],
)
def test_a_ramdisk_that_takes_the_device_tree_from_an_xo_175(
    name: str, content: bytes, is_told: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(zipped({"data.img": content}))
    assert bool([one for one in check_bundle(tmp_path / name).warnings if "no device tree" in one]) is is_told


@pytest.mark.parametrize("magic", ["1f8b08", "303730373031", "fd377a585a00", "425a68", "5d0000", "28b52ffd"])
def test_ramdisks_that_linux_knows(magic: str, tmp_path: Path) -> None:
    (tmp_path / "runrd1.zip").write_bytes(zipped({"data.img": bytes.fromhex(magic) + bytes(10)}))
    assert not [one for one in check_bundle(tmp_path / "runrd1.zip").warnings if "ramdisk" in one]


@pytest.mark.parametrize(
    ("name", "image", "takes_it"),
    [
        ("runos0.zip", X86, True),
        ("runos1.zip", b"\x7fELF", True),
        ("runos1.zip", ARM, False),
        ("runos2.zip", X86, False),
        ("actos4.zip", ARM, True),
        ("actos4.zip", b"\x7fELF", False),
        ("runos1.zip", b"\x1f\x8b\x08" + X86, False),
        ("runos1.zip", b"id: a script", True),
        ("runos1.zip", b"\\a script", False),
        ("runos.zip", ARM, True),
        ("runos.zip", b"text", False),
        ("runrd1.zip", b"", False),
    ],
)
def test_a_kernel_is_of_its_model(name: str, image: bytes, takes_it: bool, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(zipped({"data.img": image}))
    assert check_bundle(tmp_path / name).ok is takes_it


@pytest.mark.parametrize("number", ROMS)
def test_a_good_rom_is_taken_and_each_broken_rule_named(number: int, tmp_path: Path) -> None:
    image = rom(number)
    size, version_at, crc_at, version, data_at = ROMS[number]
    path = tmp_path / f"bootfw{number}.zip"
    path.write_bytes(zipped({"data.img": image}))
    report = check_bundle(path)
    assert (report.errors, report.facts["version"]) == ([], version[6:11].decode())
    broken = {
        "switches itself off": image + b"\xff",
        "CRC": image[:70] + b"\x01" + image[71:],
        "manufacturing data": image[:data_at] + b"\0" + image[data_at + 1 :],
        "machine": image[:version_at] + b"CL9" + image[version_at + 3 :],
        "version": image[: version_at + 9] + b"-" + image[version_at + 10 :],
    }
    for said, content in broken.items():
        assert content != image
        path.write_bytes(zipped({"data.img": content}))
        assert any(said in error for error in check_bundle(path).errors), said
    assert size == len(image)
    assert crc_at > version_at
    with pytest.raises(UsageError, match="switches itself off"):
        write_bundle(path, image[:-1], None)


SPECIFICATIONS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "another block": (lambda spec: spec.replace(b"zblock: 2 ", b"zblock: 3 ", 1), "line 10: Spec line mismatch"),
    "too large": (lambda spec: b"\\\n" * (6 << 20) + spec, "not under 12 MiB"),
    "a data file that is not there": (lambda spec: spec.replace(b"image.zd", b"other.zd"), "other.zd is not beside"),
    "a data file elsewhere": (lambda spec: spec.replace(b"image.zd", b"a/image.zd"), "not one in the same folder"),
    "no data file": (lambda spec: spec.replace(b"data: image.zd\n", b""), "no line `data: NAME`"),
    "carriage return": (lambda spec: spec.replace(b"image.zd\n", b"image.zd\r\n"), "ends in CR"),
    "a long line": (lambda spec: b"\\ " + b"x" * 126 + b"\n" + spec, "line 1: Spec line too long"),
}


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_a_specification_that_the_firmware_would_not_follow(name: str, stick: Path) -> None:
    change, said = SPECIFICATIONS[name]
    spec = change((stick / "image.zsp").read_bytes())
    (stick / "fs1.zip").write_bytes(zipped({"data.sig": sign_image(spec, [private("fs")]), "data.img": spec}))
    errors = check_bundle(stick / "fs1.zip", [read_key(KEYS["fs"])]).errors
    assert len(errors) == 1
    assert said in errors[0]


def test_an_xo_1_is_told_block_by_block(tmp_path: Path) -> None:
    image = b"\x85\x19" * 0x30000
    (tmp_path / "os1.img").write_bytes(image)
    text = script(image)
    for content, said in {
        text: "",
        script(image[:0x20000] + bytes(0x20000) + image[0x40000:]): "line 5: Bad hash of block 1",
        script(image + bytes(0x20000)): "ends before its block 3",
        text.replace(b"erase-all", b"erase-most"): "line 2: b'erase-most' is no command",
        text.replace(b"2 sha256", b"2 md5"): "the hash is not sha256",
    }.items():
        (tmp_path / "fs0.zip").write_bytes(
            zipped({"data.sig": sign_image(content, [private("fs")]), "data.img": content})
        )
        errors = check_bundle(tmp_path / "fs0.zip", [read_key(KEYS["fs"])]).errors
        assert [said in error for error in errors] == [True] * bool(said), errors
