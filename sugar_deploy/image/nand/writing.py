"""Writes the scripts and checksums by which an XO-1's firmware flashes its NAND.

Formats: openfirmware's cpu/x86/pc/olpc/fsupdate.fth and copynand.fth. What reads them shares nothing with this.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sugar_deploy.errors import UsageError
from sugar_deploy.files import write_atomically

ERASE_BLOCK = 128 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """A partition that is written, erase blocks of it in the data file and in all; SIZE -1: all the rest."""

    name: str
    written: int
    size: int
    is_jffs2: bool


def script(data: Path, parts: tuple[Part, ...], progress: Callable[[int, int], None]) -> bytes:
    """The script for a data file that holds the partitions one behind the other.

    One part without a name is the whole chip. PROGRESS is told erase blocks.
    """
    lines = [f"data:  {data.name}", "erase-all"]
    if parts[0].name:
        sizes = (f"{part.name} {part.size if part.size < 0 else f'{part.size:x}'}" for part in parts)
        lines.append("  ".join(("partitions:", *sizes)))
    done, total = 0, sum(part.written for part in parts)
    with data.open("rb") as file:
        for part in parts:
            lines += [f"set-partition: {part.name}"] if part.name else []
            lines.append("mark-pending: 0")
            for line in _blocks(file, part.written):
                lines.append(line)
                progress(done := done + 1, total)
            # UBI writes headers of its own into blocks that are empty.
            lines += ["cleanmarkers"] if part.is_jffs2 else []
            lines.append("mark-complete: 0")
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _blocks(file: BinaryIO, count: int) -> Iterator[str]:
    for number in range(count):
        yield f"eblock: {number:x} sha256 {hashlib.sha256(file.read(ERASE_BLOCK)).hexdigest()}"


def write_checksums(image: Path) -> Path:
    """Write the `.crc` of an image beside it, whole or not at all; gives its path.

    Raises UsageError where the image is no multiple of the erase block.
    """
    target, size = image.with_suffix(".crc"), image.stat().st_size
    if not size or size % ERASE_BLOCK:
        raise UsageError(f"{image.name}: {size} bytes are no multiple of {ERASE_BLOCK}", "Pad it: sumtool --pad")
    with image.open("rb") as file:
        records = [f"{zlib.crc32(file.read(ERASE_BLOCK)):08x}\n" for _ in range(size // ERASE_BLOCK)]
    write_atomically(target, "".join(records), 0o644)
    return target
