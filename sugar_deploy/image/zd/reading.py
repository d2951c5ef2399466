"""Reads a `.zd` as the firmware does, and says which of its rules a file breaks, and at which block."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.zd.rules import (
    HASHES,
    LARGEST_BLOCK,
    LAST,
    LINE_LIMIT,
    SECTOR,
    Block,
    Header,
    block_in,
    header_in,
    size_in,
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block's line, and the deflated data behind it."""

    line: Block
    data: bytes


class BrokenImage(DeployError):
    """The file is not what the firmware reads; the message names the rule, in its words where it has some."""


def header(file: BufferedReader, name: str) -> Header:
    """The first line."""
    line = file.readline(LINE_LIMIT)
    found = header_in(line)
    if found is None:
        raise BrokenImage(f"{name}: the first line is not `zblocks: SIZE COUNT`", "Is this a .zd at all?")
    if found.block_size == 0 or found.block_size % SECTOR:
        raise BrokenImage(
            f"{name}: the block size {found.block_size:#x} is no multiple of {SECTOR}: it goes to wrong places"
        )
    if found.block_size > LARGEST_BLOCK:
        raise BrokenImage(
            f"{name}: the block size {found.block_size:#x} is over {LARGEST_BLOCK:#x}, and there is no room for it"
        )
    return found


def commands(file: BufferedReader, name: str, before: int | None = None) -> Iterator[tuple[bytes, Chunk | None]]:
    """Each line behind the header, with the block that it brings if it brings one, in the file's order.

    Blocks from the index BEFORE on are stepped over, without reading their data. Raises BrokenImage where reading
    cannot go on, as at a missing last line.
    """
    number = 0
    while True:
        line = file.readline(LINE_LIMIT)
        if line == LAST:
            return
        where = f"{name}: after {number} blocks, at byte {file.tell() - len(line)}"
        if size := size_in(line):
            if size != os.fstat(file.fileno()).st_size:
                raise BrokenImage(f"{where}: Inconsistent size of zdata file", "Copy the file anew")
            yield line, None
            continue
        block = block_in(line)
        if block is None:
            raise BrokenImage(f"{where}: {_fault(line)}", "Copy the file anew, or build it anew")
        if before is None or block.index < before:
            yield line, Chunk(block, _data(file, block, where))
        else:
            _step_over(file, block, where)
            yield line, None
        number += 1


def chunks(file: BufferedReader, name: str, before: int | None = None) -> Iterator[Chunk]:
    """The blocks, in the file's order, below the index BEFORE; raises BrokenImage as above."""
    return (chunk for _, chunk in commands(file, name, before) if chunk)


def _fault(line: bytes) -> str:
    """Why a line is none that may stand there."""
    if not line:
        return "the file ends without `zblocks-end:`"
    if len(line) == LINE_LIMIT:
        return f"a line has {LINE_LIMIT} characters or more: it is read wrongly"
    return "a line is no `zblock: INDEX LENGTH HASH HEX`"


def _data(file: BufferedReader, block: Block, where: str) -> bytes:
    # Deflate grows a block by far less: a length beyond this is damage.
    data = file.read(block.length) if block.length <= 2 * LARGEST_BLOCK else b""
    if len(data) != block.length:
        raise _short(block, where)
    _end(file, block, where)
    return data


def _step_over(file: BufferedReader, block: Block, where: str) -> None:
    if file.seek(block.length, os.SEEK_CUR) > os.fstat(file.fileno()).st_size:
        raise _short(block, where)
    _end(file, block, where)


def _end(file: BufferedReader, block: Block, where: str) -> None:
    if file.read(1) != b"\n":
        raise BrokenImage(f"{where}: block {block.index}: Missing newline after zdata", "Copy the file anew")


def _short(block: Block, where: str) -> BrokenImage:
    return BrokenImage(f"{where}: block {block.index}: Short read of zdata file", "Copy the file anew")


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
