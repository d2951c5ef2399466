"""The lines of a `.zd` and of its specification, `.zsp`.

Format: openfirmware's cpu/x86/pc/olpc/via/fsupdate.fth, which reads the file as Forth source: one wrong word is
executed, not skipped. All numbers are hexadecimal, lines end in one LF.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BLOCK_SIZE = 0x20000
"""Bytes of a block: all that was ever used, and the most for which the firmware's work areas have room."""

HASH_NAME = "sha256"
SECTOR = 512
PAD = b"\xff"
"""What fills the last block of an image that is no multiple of the block size."""

END = b"zblocks-end:\n"
LINE_LIMIT = 1024
"""A line of this many characters or more is read wrongly; in a signed specification one of SIGNED_LINE_LIMIT."""
SIGNED_LINE_LIMIT = 128
SIGNED_SPEC_LIMIT = 12 << 20
"""Bytes that the firmware has for a signed specification."""

_HEX = rb"[0-9a-fA-F]+"
_HEADER = re.compile(rb"zblocks: (" + _HEX + rb") (" + _HEX + rb")\n")
_BLOCK = re.compile(rb"zblock: (" + _HEX + rb") (" + _HEX + rb") (\S+) (\S+)(?: \S+)?\n")


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: the block's size in bytes, and one more than the highest index."""

    block_size: int
    count: int

    def line(self) -> bytes:
        return b"zblocks: %x %x\n" % (self.block_size, self.count)

    @classmethod
    def read(cls, line: bytes) -> Header | None:
        """The header that a line is; None if it is none."""
        match = _HEADER.fullmatch(line)
        return cls(int(match[1], 16), int(match[2], 16)) if match else None


@dataclass(frozen=True, slots=True)
class BlockLine:
    """A block: where it goes (in blocks), its deflated length in bytes, the digest of its plain bytes."""

    index: int
    length: int
    digest: bytes
    hash_name: str = HASH_NAME

    def line(self) -> bytes:
        return b"zblock: %x %x %s %s\n" % (
            self.index,
            self.length,
            self.hash_name.encode(),
            self.digest.hex().encode(),
        )

    @classmethod
    def read(cls, line: bytes) -> BlockLine | None:
        """The block line that a line is; None if it is none. A fifth field is tolerated, as the firmware does."""
        match = _BLOCK.fullmatch(line)
        if not match:
            return None
        try:
            digest = bytes.fromhex(match[4].decode("ascii"))
        except ValueError:
            return None
        return cls(int(match[1], 16), int(match[2], 16), digest, match[3].decode("ascii", "replace"))


def data_line(name: str) -> bytes:
    """The line of a specification that names its data file: a bare name on the same medium."""
    return b"data: %s\n" % name.encode("ascii")
