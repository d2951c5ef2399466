"""Every rule of an XO-1's script and of what it flashes, each broken once: told by its name."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.checking import check_file
from sugar_deploy.image.nand.writing import write_checksums

BLOCK = 128 * 1024
NAME = "os1.uim"


def crc(content: bytes, begun: int) -> bytes:
    """CRC-32 bit by bit, polynomial 0xedb88320, not inverted."""
    for byte in content:
        begun ^= byte
        for _ in range(8):
            begun = begun >> 1 ^ (0xEDB88320 if begun & 1 else 0)
    return struct.pack("<I", begun)


def node(kind: int, body: bytes) -> bytes:
    """A node of JFFS2: its header is summed on its own."""
    head = struct.pack("<HHI", 0x1985, kind, 12 + len(body))
    return head + crc(head, 0) + body


def inode(data: bytes, compression: int = 6) -> bytes:
    """A node with a file's data: 60 bytes and the data are summed, each on its own."""
    fields = struct.pack("<IIIHHIIIIIIIBBH", 2, 1, 0o100644, 0, 0, 5, 0, 0, 0, 0, len(data), 5, compression, 0, 0)
    head = struct.pack("<HHI", 0x1985, 0xE002, 68 + len(data))
    head += crc(head, 0) + fields
    return head + crc(data, 0) + crc(head, 0) + data


def dirent(name: bytes) -> bytes:
    head = struct.pack("<HHI", 0x1985, 0xE001, 40 + len(name))
    head += crc(head, 0) + struct.pack("<IIIIBBH", 1, 1, 2, 0, len(name), 8, 0)
    return head + crc(head, 0) + crc(name, 0) + name


def jffs2(*nodes: bytes) -> bytes:
    """An erase block."""
    return b"".join(one + bytes(-len(one) % 4) for one in nodes).ljust(BLOCK, b"\xff")


def ubi(volume: int = 0, image: int = 7, header: int = 2048, data: int = 4096) -> bytes:
    """An erase block of a UBI image; its checksum is of the first 60 bytes, begun at all ones."""
    head = struct.pack(">4sB3xQIII32x", b"UBI#", 1, 0, header, data, image)
    block = head + crc(head, 0xFFFFFFFF)[::-1]
    block = block.ljust(2048, b"\0") + b"UBI!" + struct.pack(">BBBxI", 1, 1, 0, volume)
    return block.ljust(BLOCK, b"\xff")


GOOD = jffs2(dirent(b"olpc.fth"), inode(b"data!"), node(0xE008, b"an attribute"))
BOOT = [GOOD, jffs2(inode(b"more", 0))]
SYSTEM = [ubi(0x7FFFEFFF), ubi(0), ubi(0)]


def lines(boot: list[bytes], system: list[bytes]) -> list[str]:
    """OLPC's script for two partitions, from its description."""

    def blocks(part: list[bytes]) -> list[str]:
        return [f"eblock: {number:x} sha256 {hashlib.sha256(one).hexdigest()}" for number, one in enumerate(part)]

    return [
        *(f"data:  {NAME}", "erase-all", "partitions:  boot c0  system -1"),
        *("set-partition: boot", "mark-pending: 0", *blocks(boot), "cleanmarkers", "mark-complete: 0"),
        *("set-partition: system", "mark-pending: 0", *blocks(system), "mark-complete: 0"),
    ]


def found(folder: Path, script: list[str], data: list[bytes]) -> tuple[list[str], list[str]]:
    """Errors and warnings."""
    (folder / NAME).write_bytes(b"".join(data))
    (folder / "os1.onu").write_text("".join(f"{line}\n" for line in script))
    report = check_file(folder / "os1.onu")
    return report.errors, report.warnings


def test_olpcs_script_is_taken(tmp_path: Path) -> None:
    assert found(tmp_path, lines(BOOT, SYSTEM), [*BOOT, *SYSTEM]) == ([], [])


def test_a_partition_may_be_named_by_its_number(tmp_path: Path) -> None:
    script = [line.replace("set-partition: system", "set-partition: 2") for line in lines(BOOT, SYSTEM)]
    assert found(tmp_path, script, [*BOOT, *SYSTEM]) == ([], [])


def test_a_script_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "os1.onu").write_text("erase-all\n")
    with pytest.raises(UsageError, match="its data file  is not beside it"):
        check_file(tmp_path / "os1.onu")


def without(start: str) -> Callable[[list[str]], list[str]]:
    return lambda script: [line for line in script if not line.startswith(start)]


def swap(old: str, new: str) -> Callable[[list[str]], list[str]]:
    return lambda script: [line.replace(old, new) for line in script]


def moved(start: str, to: int) -> Callable[[list[str]], list[str]]:
    def change(script: list[str]) -> list[str]:
        (line,) = (one for one in script if one.startswith(start))
        rest = [one for one in script if one != line]
        return [*rest[:to], line, *rest[to:]]

    return change


def doubled(start: str) -> Callable[[list[str]], list[str]]:
    return lambda script: [line for line in script for _ in range(1 + line.startswith(start))]


def numbered(script: list[str]) -> list[str]:
    return [*script[:5], "eblock: 1" + script[5][len("eblock: 0") :], *script[6:]]


ERRORS: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "data after erasing": (moved("data:", 1), "line 1: stands before `data:`"),
    "data twice": (doubled("data:"), "line 2: there is a second data file"),
    "not erased": (without("erase-all"), "behind `erase-all`"),
    "erased after the map": (moved("erase-all", 2), "behind `erase-all`"),
    "erased after blocks": (lambda script: [*script, "erase-all"], "line 16: wipes what was just written"),
    "mapped after blocks": (lambda script: [*script, script[2]], "before the first block"),
    "eight partitions": (
        swap("system -1", "a 1  b 1  c 1  d 1  e 1  f 1  system -1"),
        "8 partitions: there can be 7",
    ),
    "one name twice": (swap("system -1", "boot -1"), "each of another name"),
    "a long name": (swap("system", "the-whole-system"), "the-whole-system is longer than 15"),
    "the rest first": (swap("boot c0  system -1", "boot -1  system c0"), "do not fit behind each other"),
    "too much": (swap("boot c0", "boot 2000"), "do not fit behind each other"),
    "a size of none": (swap("boot c0", "boot 0"), "do not fit behind each other"),
    "a size that is none": (swap("boot c0", "boot many"), "is no command"),
    "no such partition": (swap("set-partition: system", "set-partition: root"), "there is no partition root"),
    "one partition twice": (swap("set-partition: system", "set-partition: boot"), "boot was written already"),
    "into none": (without("set-partition"), "`set-partition:` is missing"),
    "not pending": (without("mark-pending"), "outside `mark-pending:` and `mark-complete:`"),
    "pending too late": (moved("cleanmarkers", 99), "clean markers stand between"),
    "pending twice": (doubled("mark-pending"), "stands behind blocks"),
    "not completed": (without("mark-complete"), "`mark-complete:` is missing"),
    "another is completed": (swap("mark-complete: 0", "mark-complete: 1"), "completes what was not begun"),
    "clean markers for UBI": (
        lambda script: [*script[:-1], "cleanmarkers", script[-1]],
        "UBI takes such blocks for damaged",
    ),
    "too many blocks": (swap("boot c0", "boot 1"), "no room for more than 1 blocks"),
    "another hash": (swap("0 sha256", "0 md5"), "the hash is not sha256"),
    "a carriage return": (swap("erase-all", "erase-all\r"), "is no command"),
    "a word of Forth": (swap("erase-all", "erase-most"), "is no command"),
    "no blocks": (lambda script: script[:3], "has no line `eblock:`"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_each_rule_of_a_script_is_told(name: str, tmp_path: Path) -> None:
    change, said = ERRORS[name]
    errors, _ = found(tmp_path, change(lines(BOOT, SYSTEM)), [*BOOT, *SYSTEM])
    assert said in errors[0], errors


WARNINGS: dict[str, tuple[Callable[[list[str]], list[str]], list[bytes], str]] = {
    "a wrong number": (numbered, [], "line 6: is number 1, and 0 in its order"),
    "no clean markers": (without("cleanmarkers"), [], "boot: has no `cleanmarkers`"),
    "more data": (lambda script: script, [GOOD], "goes on behind its 5 blocks"),
    "an empty partition": (lambda script: script[:9], SYSTEM, "nothing is written into system"),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_what_is_only_unwanted_is_a_warning(name: str, tmp_path: Path) -> None:
    change, more, said = WARNINGS[name]
    data = [*BOOT, *SYSTEM, *more] if name != "an empty partition" else BOOT
    errors, warnings = found(tmp_path, change(lines(BOOT, SYSTEM)), data)
    assert errors == []
    assert [said in warning for warning in warnings] == [True], warnings


def broken(block: bytes, at: int) -> bytes:
    return block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :]


SWAPPED = GOOD[:2][::-1] + GOOD[2:]
CONTENT: dict[str, tuple[list[bytes], list[bytes], str]] = {
    "LZO": (
        [jffs2(inode(b"x", 7))],
        SYSTEM,
        "boot: block 0: compressed by method 7; the firmware reads none, rtime, zlib",
    ),
    "a name's node": ([broken(GOOD, 20)], SYSTEM, "boot: block 0: a node's checksum is wrong"),
    "a file's node": ([GOOD, jffs2(broken(inode(b"x"), 30))], SYSTEM, "boot: block 1: a node's checksum is wrong"),
    "a file's data": ([jffs2(broken(inode(b"x"), 68))], SYSTEM, "the checksum of a node's data is wrong"),
    "beyond the block": ([GOOD[: BLOCK - 68] + inode(b"longer")[:68]], SYSTEM, "a node of 74 bytes goes beyond it"),
    "big endian": ([SWAPPED.replace(b"\x85\x19", b"\x19\x85")], SYSTEM, "block 0: its JFFS2 is big endian"),
    "a foreign block": (BOOT, [ubi(0), GOOD], "system: block 1: is none of UBI's"),
    "UBI's checksum": (BOOT, [ubi(0), broken(ubi(0), 8)], "system: block 1: the checksum of UBI's header is wrong"),
    "smaller pages": (BOOT, [ubi(0, header=512, data=2048)], "for pages of another size"),
    "two images": (BOOT, [ubi(0), ubi(0, image=8)], "its blocks are of 2 UBI images"),
    "no volume 0": (BOOT, [ubi(1)], "has no UBI volume 0"),
}


@pytest.mark.parametrize("name", CONTENT)
def test_each_rule_of_what_is_flashed_is_told(name: str, tmp_path: Path) -> None:
    boot, system, said = CONTENT[name]
    errors, _ = found(tmp_path, lines(boot, system), [*boot, *system])
    assert [said in error for error in errors] == [True], errors


def test_an_img_is_read_as_its_script_would_be(tmp_path: Path) -> None:
    image = tmp_path / "os1.img"
    for content, told in (
        (GOOD, ([], [])),
        (jffs2(inode(b"x", 7)), (["block 0: compressed by method 7"], [])),
        (b"\0" * BLOCK, ([], ["there is no JFFS2 in it"])),
    ):
        image.write_bytes(content)
        write_checksums(image)
        report = check_file(image)
        for said, wanted in ((report.errors, told[0]), (report.warnings, told[1])):
            assert [part in one for part, one in zip(wanted, said, strict=True)] == [True] * len(wanted)
