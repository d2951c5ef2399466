"""The lines of a `.zd` and of its specification, `.zsp`, as we write them.

Format: openfirmware's cpu/x86/pc/olpc/via/fsupdate.fth. All numbers are hexadecimal, lines end in one LF. What the
firmware demands of them is in `rules.py`, which shares nothing with this.
"""

from __future__ import annotations

from dataclasses import dataclass

BLOCK_SIZE = 0x20000
"""Bytes of a block: all that OLPC's tools ever wrote."""
PAD = b"\xff"
"""What fills the last block of an image that is no multiple of the block size."""
END = b"zblocks-end:\n"


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: the block's size in bytes, and one more than the highest index."""

    block_size: int
    count: int

    def line(self) -> bytes:
        return b"zblocks: %x %x\n" % (self.block_size, self.count)


@dataclass(frozen=True, slots=True)
class BlockLine:
    """A block: where it goes (in blocks), its deflated length in bytes, the SHA-256 of its plain bytes."""

    index: int
    length: int
    digest: bytes

    def line(self) -> bytes:
        return b"zblock: %x %x sha256 %s\n" % (self.index, self.length, self.digest.hex().encode())


def data_line(name: str) -> bytes:
    """The line of a specification that names its data file: a bare name on the same medium."""
    return b"data: %s\n" % name.encode("ascii")
