"""The partition table in a disk's first sector, and which partition the firmware reads (ofw/disklabel)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.image.zd.reading import chunks, expanded, header

SECTOR = 512
_ENTRY = struct.Struct("<B3xB3xII")
_TABLE, _MARK = 446, b"\x55\xaa"
_ACTIVE, _GPT = 0x80, 0xEE
_KNOWN = frozenset({0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E, 0x83})
"""Types of partitions with FAT or ext2."""


@dataclass(frozen=True, slots=True)
class Partition:
    """An entry: its number from 1, its type, and where it begins and how long it is (bytes)."""

    number: int
    kind: int
    is_active: bool
    start: int
    size: int


def partitions(sector: bytes) -> list[Partition]:
    """What the table says; none where there is no table."""
    if len(sector) != SECTOR or sector[-2:] != _MARK:
        return []
    entries = [_ENTRY.unpack_from(sector, _TABLE + number * _ENTRY.size) for number in range(4)]
    if any(flag not in (0, _ACTIVE) for flag, *_ in entries):
        return []  # The first sector of a file system.
    return [
        Partition(number, kind, flag == _ACTIVE, start * SECTOR, sectors * SECTOR)
        for number, (flag, kind, start, sectors) in enumerate(entries, start=1)
        if kind
    ]


def read_by_firmware(found: list[Partition]) -> Partition | None:
    """The first active partition, or else the first one; None if it is of no type that the firmware knows."""
    chosen = next((one for one in found if one.is_active), found[0] if found else None)
    return chosen if chosen and chosen.kind in _KNOWN else None


def is_gpt(found: list[Partition]) -> bool:
    """Whether the table only says that there is another one."""
    return any(one.kind == _GPT for one in found)


def first_sector(image: Path) -> bytes:
    """Of a disk's image, or of the disk that a `.zd` holds; raises BrokenImage."""
    with image.open("rb") as file:
        if image.suffix.lower() != ".zd":
            return file.read(SECTOR)
        head, first = header(file, image.name), b""
        for chunk in chunks(file, image.name):
            if chunk.line.index == 0:
                first = expanded(chunk, head.block_size, image.name)[:SECTOR]
    return first
