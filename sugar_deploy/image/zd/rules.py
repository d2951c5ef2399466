"""What the firmware takes for a line of a `.zd` or a `.zsp`.

Format: openfirmware's cpu/x86/pc/olpc/via/fsupdate.fth, which reads the file as Forth source: one wrong word is
executed, not skipped. All numbers are hexadecimal, lines end in one LF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SECTOR = 512
USUAL_BLOCK = 0x20000
LARGEST_BLOCK = (12 << 20) // 8
"""Bytes: two work areas of four blocks each lie below what is 12 MiB above the file."""
LINE_LIMIT = 1024
"""A line of this many characters or more is read wrongly; in a signed specification one of SIGNED_LINE_LIMIT."""
SIGNED_LINE_LIMIT = 128
SIGNED_SPEC_LIMIT = 12 << 20
"""Bytes that the firmware has for a signed specification."""
LAST = b"zblocks-end:\n"
HASHES = {"sha256": "sha256", "sha1": "sha1", "md5": "md5", "rmd160": "ripemd160"}
"""The firmware's names of hashes, and hashlib's."""

_HEX = rb"[0-9a-fA-F]+"
_HEADER = re.compile(rb"zblocks: (" + _HEX + rb") (" + _HEX + rb")\n")
_BLOCK = re.compile(rb"zblock: (" + _HEX + rb") (" + _HEX + rb") (\S+) (\S+)(?: \S+)?\n")
_SIZE = re.compile(rb"size: (" + _HEX + rb")\n")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: the block's size in bytes, and one more than the highest index."""

    block_size: int
    count: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block's line: where it goes (in blocks), its deflated length in bytes, the digest of its plain bytes."""

    index: int
    length: int
    hash_name: str
    digest: bytes


def header_in(line: bytes) -> Header | None:
    """The header that a line is; None if it is none."""
    match = _HEADER.fullmatch(line)
    return Header(int(match[1], 16), int(match[2], 16)) if match else None


def block_in(line: bytes) -> Block | None:
    """The block's line that a line is; None if it is none. A fifth field is tolerated."""
    match = _BLOCK.fullmatch(line)
    if not match:
        return None
    try:
        digest = bytes.fromhex(match[4].decode("ascii"))
    except ValueError:
        return None
    return Block(int(match[1], 16), int(match[2], 16), match[3].decode("ascii", "replace"), digest)


def size_in(line: bytes) -> int | None:
    """The file's bytes, which a line may tell since August 2012; None if it tells none."""
    match = _SIZE.fullmatch(line)
    return int(match[1], 16) if match else None
