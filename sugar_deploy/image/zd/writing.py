"""Writes an image's `.zd` and `.zsp`.

Block 0, the partition table, goes first as zeros and last for real: a laptop whose update is interrupted has no
partition table, rather than one of a half-written system.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sugar_deploy.errors import UsageError
from sugar_deploy.image.parallel import in_order
from sugar_deploy.image.zd.index import index
from sugar_deploy.image.zd.layout import BLOCK_SIZE, END, Header, data_line
from sugar_deploy.image.zd.packing import Packed, Packer, Previous, pack
from sugar_deploy.image.zd.source import Inset, reading

BATCH = 16
"""Blocks that a worker takes at a time: 2 MiB, so that handing over costs little."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: counts of blocks, and the `.zd`'s bytes."""

    blocks: int
    omitted: int
    reused: int
    size: int


def write(
    image: Path,
    target: Path,
    *,
    inset: Inset | None = None,
    omit: Collection[int] = frozenset(),
    previous: Path | None = None,
    previous_is_proved: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    workers: int = 0,
) -> Written:
    """Write `target` (`NAME.zd`) and `NAME.zsp` beside it, whole or not at all; the same image gives the same bytes.

    `inset` stands in the image's place, where it is. `omit` are the blocks, by index, that no one reads: the laptop
    keeps what it had there. Block 0 is never left out. `previous` is an earlier `.zd` whose deflated blocks are taken
    where they are the same: inflated and compared, unless it is proved to be what was written. `progress` is told
    blocks done and in all. Memory does not grow with the image.
    """
    total = -(-image.stat().st_size // BLOCK_SIZE)
    if not total:
        raise UsageError(f"{image}: is empty", "Give a disk image")
    order = [number for number in range(1, total) if number not in omit] + [0]
    blocks = _packed(image, inset, order, _store(previous, is_proved=previous_is_proved), workers)
    reused = 0
    with _files(target, Header(BLOCK_SIZE, max(order) + 1)) as written:
        written.add(pack(0, bytes(BLOCK_SIZE)))
        for done, packed in enumerate(blocks, start=1):
            written.add(packed)
            reused += packed.reused
            progress(done, len(order))
        size = written.finish()
    return Written(len(order), total - len(order), reused, size)


@contextlib.contextmanager
def _files(target: Path, header: Header) -> Iterator[_Files]:
    """Both files under names of their own, which become theirs if the block ends well."""
    spec = target.with_suffix(".zsp")
    drafts = (target.with_name(target.name + ".partial"), spec.with_name(spec.name + ".partial"))
    try:
        with drafts[0].open("wb") as data, drafts[1].open("wb") as lines:
            yield _Files(data, lines, target.name, header)
        # The specification first: a data file without one is flashed unsigned, the other way round fails late.
        drafts[1].replace(spec)
        drafts[0].replace(target)
    except BaseException:
        for draft in drafts:
            draft.unlink(missing_ok=True)
        raise


def _store(previous: Path | None, *, is_proved: bool) -> Previous | None:
    return Previous(previous, index(previous), is_proved=is_proved) if previous and previous.exists() else None


class _Files:
    """Both files, written side by side."""

    def __init__(self, data: BinaryIO, lines: BinaryIO, name: str, header: Header) -> None:
        self._data = data
        self._lines = lines
        lines.write(data_line(name))
        self._both(header.line())

    def _both(self, line: bytes) -> None:
        self._data.write(line)
        self._lines.write(line)

    def add(self, block: Packed) -> None:
        self._both(block.line.line())
        self._data.write(block.data)
        self._data.write(b"\n")

    def finish(self) -> int:
        """The last line, and everything on the disk; the data file's bytes."""
        self._both(END)
        for file in (self._lines, self._data):
            file.flush()
            os.fsync(file.fileno())
        return self._data.tell()


def _packed(
    image: Path, inset: Inset | None, order: list[int], store: Previous | None, workers: int
) -> Iterator[Packed]:
    """The blocks in that order, packed by several threads."""
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    with reading(image, inset) as source:
        packer = Packer(source, store)
        for batch in in_order(packer, batches, workers):
            yield from batch
