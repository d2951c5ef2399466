"""Reads a `.zd` as the firmware does, and says which of its rules a file breaks, and at which block."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.zd.layout import END, LINE_LIMIT, BlockLine, Header

LONGEST_BLOCK = 2 * 0x20000
"""Bytes of deflated data beyond which a length is damage, not data: deflate grows a block by far less."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block's line, read and as text, where its data begins in the file (bytes), and the data."""

    line: BlockLine
    text: bytes
    offset: int
    data: bytes


class BrokenImage(DeployError):
    """The file is not what the firmware reads; the message names the rule, in its words where it has some."""


def header(file: BufferedReader, name: str) -> Header:
    """The first line."""
    line = file.readline(LINE_LIMIT)
    found = Header.read(line)
    if found is None:
        raise BrokenImage(f"{name}: the first line is not `zblocks: SIZE COUNT`", "Is this a .zd at all?")
    return found


def chunks(file: BufferedReader, name: str) -> Iterator[Chunk]:
    """The blocks, in the file's order; raises BrokenImage where reading cannot go on, as at a missing last line."""
    number = 0
    while True:
        line = file.readline(LINE_LIMIT)
        if line == END:
            return
        where = f"{name}: after {number} blocks, at byte {file.tell() - len(line)}"
        block = BlockLine.read(line)
        if block is None:
            what = (
                "the file ends without `zblocks-end:`" if not line else "a line is no `zblock: INDEX LENGTH HASH HEX`"
            )
            raise BrokenImage(f"{where}: {what}", "Copy the file anew, or build it anew")
        offset = file.tell()
        data = file.read(block.length) if block.length <= LONGEST_BLOCK else b""
        if len(data) != block.length:
            raise BrokenImage(f"{where}: block {block.index}: Short read of zdata file", "Copy the file anew")
        if file.read(1) != b"\n":
            raise BrokenImage(f"{where}: block {block.index}: Missing newline after zdata", "Copy the file anew")
        yield Chunk(block, line, offset, data)
        number += 1


def index(path: Path) -> dict[bytes, tuple[int, int]]:
    """Where in the file (offset, length in bytes) the data of each digest is; as far as the file can be read."""
    places: dict[bytes, tuple[int, int]] = {}
    try:
        with path.open("rb") as file:
            header(file, path.name)
            for chunk in chunks(file, path.name):
                places.setdefault(chunk.line.digest, (chunk.offset, chunk.line.length))
    except BrokenImage:
        pass
    return places


HASHES = {"sha256": "sha256", "sha1": "sha1", "md5": "md5", "rmd160": "ripemd160"}
"""The firmware's names of hashes, and hashlib's."""


def expanded(chunk: Chunk, block_size: int, name: str) -> bytes:
    """The plain bytes of a block, by the firmware's rules: it reads neither the two header bytes nor Adler-32."""
    where = f"{name}: block {chunk.line.index}"
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = inflater.decompress(chunk.data[2:], block_size + 1)
    except zlib.error as error:
        raise BrokenImage(f"{where}: does not inflate ({error})", "Copy the file anew") from error
    if len(plain) != block_size or not inflater.eof:
        raise BrokenImage(f"{where}: Wrong expanded data length", "Build it anew")
    if chunk.line.hash_name not in HASHES:
        raise BrokenImage(f"{where}: the hash {chunk.line.hash_name} is none that the firmware knows", "Use sha256")
    digest = hashlib.new(HASHES[chunk.line.hash_name], plain, usedforsecurity=False).digest()
    if digest != chunk.line.digest:
        raise BrokenImage(f"{where}: Bad hash", "Copy the file anew, to another USB stick")
    return plain


def unpack(path: Path, image: Path) -> Header:
    """Write the raw disk image of a `.zd` (sparse where it is zeros), as the laptop's storage would hold it.

    What a `.zd` leaves out stays a hole. Raises BrokenImage at the first block that the firmware would refuse.
    """
    with path.open("rb") as file, image.open("wb") as disk:
        found = header(file, path.name)
        for chunk in chunks(file, path.name):
            plain = expanded(chunk, found.block_size, path.name)
            disk.seek(chunk.line.index * found.block_size)
            disk.write(plain)
        disk.truncate(found.count * found.block_size)
    return found
