"""A ramdisk as the kernel documents it (newc)."""

from __future__ import annotations

import stat
from collections.abc import Mapping


def packed(entries: Mapping[str, tuple[int, bytes]]) -> bytes:
    """An archive of entries by their names: mode with its kind, and content or a link's target; folders first."""
    archive = b""
    for number, (name, (mode, content)) in enumerate([*entries.items(), ("TRAILER!!!", (0, b""))]):
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (number, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + content
        archive += bytes(-len(archive) % 4)
    return archive


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The content of each entry of an archive, by its name."""
    found: dict[str, bytes] = {}
    place = 0
    while (name := _name(archive, place)) != "TRAILER!!!":
        start = _aligned(place + _HEADER + len(name) + 1)
        size = int(archive[place + 54 : place + 62], 16)
        found[name] = archive[start : start + size]
        place = _aligned(start + size)
    return found


_HEADER = 110


def _name(archive: bytes, place: int) -> str:
    assert archive[place : place + 6] == b"070701", f"no entry at {place}"
    size = int(archive[place + 94 : place + 102], 16)
    return archive[place + _HEADER : place + _HEADER + size - 1].decode()


def _aligned(place: int) -> int:
    return -(-place // 4) * 4
