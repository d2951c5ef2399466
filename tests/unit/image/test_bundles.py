"""Bundles: against those that the historical tools wrote, openssl, and a model of the firmware's zip reader."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, cast

import pytest
from olpc_security.bundles import sign_firmware, sign_image
from olpc_security.keys import PrivateKey

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.checking import check_bundle
from sugar_deploy.image.bundles.signing import read_key
from sugar_deploy.image.bundles.writing import write_bundle
from tests.unit.image.bundle_reader import Unreadable, member, takes

VECTORS = Path(__file__).parent / "vectors"
SIGNED = Path(__file__).parents[1] / "olpc_security" / "vectors"
KEYS = {name: SIGNED / "keys" / f"{name}.public" for name in ("os", "fs", "fw")}
X86 = bytes(0x202) + b"HdrS" + bytes(600)
ARM = bytes(0x24) + b"\x18\x28\x6f\x01" + bytes(600)
OLD_TREE = b"070701 case $bootpath in\n\t\t/sd@d4280000/disk@1:*)"
SCRIPT = b"\\ a Forth script\n"
# ROM length, and offsets of version, CRC and manufacturing data, as documented for each model.
ROMS = {
    0: (0x100000, 0xFFFC0, 0xFFFD0, b"CL1   Q2F20  Q2F", 0xE0000),
    1: (0x100000, 0xFFFC0, 0xFFFD4, b"CL1   Q3C17  Q3C", 0xE0000),
    2: (0x100000, 0xFFFC0, 0xFFFD8, b"CL2   Q4D38  Q4D", 0xE0000),
    4: (0x200000, 0x1EFFC0, 0x1EFFD0, b"CL4   Q7C06  Q7C", 0x1F0000),
}


def private(name: str) -> PrivateKey:
    return PrivateKey.from_der((SIGNED / "keys" / f"{name}.private").read_bytes())


def rom(number: int, release: bytes = b"", holds: bytes = b"") -> bytes:
    """A ROM image whose CRC is computed bit by bit: polynomial 0xedb88320, begun at 0, not inverted."""
    size, version_at, crc_at, version, data_at = ROMS[number]
    if release:
        version = version[:6] + release.ljust(7) + release[:3]
    image = bytearray(b"\x90" * 64 + bytes(size - 64))
    image[0x1000 : 0x1000 + len(holds)] = holds
    image[data_at : data_at + 0x10000] = b"\xff" * 0x10000
    image[version_at : version_at + 16] = version
    image[crc_at : crc_at + 4] = b"\xff" * 4
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        table.append(value)
    crc = 0
    for byte in image:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    image[crc_at : crc_at + 4] = struct.pack("<I", crc)
    return bytes(image)


def zipped(members: dict[str, bytes], **settings: int) -> bytes:
    """A zip by Python's own means."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **settings) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def piped(members: dict[str, bytes]) -> bytes:
    """A zip written to what cannot be gone back in, so that sizes come behind the data."""
    out = io.BytesIO()
    pipe = SimpleNamespace(write=out.write, flush=out.flush)
    with zipfile.ZipFile(cast("BinaryIO", pipe), "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    for name in ("image.zd", "image.zsp"):
        shutil.copy(VECTORS / name, tmp_path)
    return tmp_path


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


def test_a_key_of_another_purpose_or_of_nobody_is_not_enough(stick: Path) -> None:
    shutil.copy(SIGNED / "bundle" / "fs1.zip", stick)
    shutil.copy(KEYS["os"], stick / "else.public")
    [error] = check_bundle(stick / "fs1.zip", [read_key(stick / "else.public")]).errors
    assert "trusted-key" in error
    unverified = check_bundle(stick / "fs1.zip", [read_key(KEYS["os"])])
    assert unverified.ok
    assert "is not verified" in unverified.warnings[0]


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


def good() -> dict[str, bytes]:
    return {"data.sig": sign_image(X86, [private("os")]), "data.img": X86}


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


def line(key: str, image: bytes = X86, hash_name: str = "sha256") -> bytes:
    whole = sign_firmware(image, [private(key)]).splitlines(keepends=True)
    return whole[("sha256", "rmd160").index(hash_name)]


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


@pytest.mark.parametrize("hashes", [["sha256"], ["rmd160"], ["rmd160", "sha256"], ["sha256", "sha256"]])
def test_firmware_wants_both_hashes_in_their_order(hashes: list[str], tmp_path: Path) -> None:
    image = rom(1)
    data_sig = b"".join(line("fw", image, name) for name in hashes)
    (tmp_path / "bootfw1.zip").write_bytes(zipped({"data.sig": data_sig, "data.img": image}))
    assert not takes((tmp_path / "bootfw1.zip").read_bytes(), KEYS["fw"], ("sha256", "rmd160"), tmp_path)
    assert len(check_bundle(tmp_path / "bootfw1.zip", [read_key(KEYS["fw"])]).errors) == 1
    assert "not sha256, then rmd160" in check_bundle(tmp_path / "bootfw1.zip").errors[0]


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


def script(image: bytes) -> bytes:
    """fs0's, as documented for an unpartitioned image."""
    blocks = [image[at : at + 0x20000] for at in range(0, len(image), 0x20000)]
    lines = [f"eblock: {number:x} sha256 {hashlib.sha256(block).hexdigest()}" for number, block in enumerate(blocks)]
    lines = ["data:  os1.img", "erase-all", "mark-pending: 0", *lines, "cleanmarkers", "mark-complete: 0", ""]
    return "\n".join(lines).encode()


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


@pytest.mark.parametrize("name", ["runos.zip", "runos3.zip", "RunOS1.zip", "kernel.zip", "runos1.zd"])
def test_only_a_models_own_name_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one model's bundle"):
        write_bundle(tmp_path / name, X86, None)
    assert list(tmp_path.iterdir()) == []


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
