"""JFFS2 as an XO-1's firmware reads it (ofw/fs/jffs2/jffs2.fth): little endian, and compressed as it can inflate.

Bytes between nodes are no fault: firmware and kernel look for the next node.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from sugar_deploy.image.nand.checksums import ERASE_BLOCK
from sugar_deploy.image.report import Report

_MAGIC, _SWAPPED = b"\x85\x19", b"\x19\x85"
_HEADER = struct.Struct("<2sHII")
_INODE, _DIRENT = 0xE002, 0xE001
_COMPRESSIONS = {0: "none", 2: "rtime", 6: "zlib"}
_COMPRESSION_AT, _DATA_SUM_AT, _DATA_AT = 56, 60, 68
_SUM_AT = {_INODE: 64, _DIRENT: 32}
"""Where a node's own checksum is; it is of all that stands before, but for the data's."""
_SUMMED = {_INODE: 60, _DIRENT: 32}


class Check:
    """Takes a file system's erase blocks, one after the other, and tells what was found once there are no more."""

    def __init__(self, name: str) -> None:
        self._name, self._blocks, self._nodes = name, 0, 0
        self._errors: list[str] = []

    def block(self, content: bytes) -> None:
        """Look at the next erase block."""
        where = f"{self._name}: block {self._blocks}"
        for node in _nodes(content):
            self._nodes += 1
            self._errors += [f"{where}: {fault}" for fault in _faults(node)]
        if not self._nodes and content.startswith(_SWAPPED):
            self._errors.append(f"{where}: its JFFS2 is big endian, and the laptop is little endian")
        self._blocks += 1

    def report(self) -> Report:
        """What the firmware cannot read."""
        found = Report(errors=self._errors)
        if not self._nodes and not self._errors:
            found.warnings.append(f"{self._name}: there is no JFFS2 in it, from which the firmware starts a system")
        return found


def check(image: Path) -> Report:
    """All of an image's erase blocks."""
    found = Check(image.name)
    with image.open("rb") as file:
        while block := file.read(ERASE_BLOCK):
            found.block(block)
    return found.report()


def _nodes(block: bytes) -> Iterator[bytes]:
    """The nodes with a right header in an erase block."""
    at = block.find(_MAGIC)
    while 0 <= at <= len(block) - _HEADER.size:
        _, _, length, said = _HEADER.unpack_from(block, at)
        is_node = at % 4 == 0 and length >= _HEADER.size and said == _crc(block[at : at + 8])
        if is_node:
            yield block[at : at + length]
        at = block.find(_MAGIC, at + (length + 3 & ~3 if is_node else 1))


def _faults(node: bytes) -> Iterator[str]:
    _, kind, length, _ = _HEADER.unpack_from(node)
    if len(node) < length:
        yield f"a node of {length} bytes goes beyond it"
    elif kind in _SUM_AT:
        if length < _DATA_AT - 28 or _word(node, _SUM_AT[kind]) != _crc(node[: _SUMMED[kind]]):
            yield "a node's checksum is wrong"
        elif kind == _INODE and _word(node, _DATA_SUM_AT) != _crc(node[_DATA_AT:]):
            yield "the checksum of a node's data is wrong"
        elif kind == _INODE and node[_COMPRESSION_AT] not in _COMPRESSIONS:
            known = ", ".join(_COMPRESSIONS.values())
            yield f"compressed by method {node[_COMPRESSION_AT]}; the firmware reads {known}"


def _word(node: bytes, at: int) -> int:
    return int.from_bytes(node[at : at + 4], "little") if len(node) >= at + 4 else -1


def _crc(content: bytes) -> int:
    """JFFS2's: begun at 0, not inverted."""
    return zlib.crc32(content, 0xFFFFFFFF) ^ 0xFFFFFFFF
