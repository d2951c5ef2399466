"""Writes the scripts by which an XO-1's firmware flashes its NAND (cpu/x86/pc/olpc/fsupdate.fth)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sugar_deploy.image.nand.checksums import ERASE_BLOCK


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
