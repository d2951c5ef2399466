"""What a `.zd` is written of: the image of a disk, of which a file of its own may hold a part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Inset:
    """A file with what is in a disk from the byte START on."""

    file: Path
    start: int


class Source:
    """Both, open under descriptors; threads may read it."""

    def __init__(self, image: int, inset: int | None = None, start: int = 0) -> None:
        self._image, self._inset, self._start = image, inset, start
        self._end = start + os.fstat(inset).st_size if inset is not None else start

    def read(self, at: int, length: int) -> bytes:
        """The bytes from AT on; fewer at the end of the image."""
        first, last = max(at, self._start), min(at + length, self._end)
        if self._inset is None or first >= last:
            return os.pread(self._image, length, at)
        inner = os.pread(self._inset, last - first, first - self._start)
        if len(inner) == length:
            return inner
        outer = os.pread(self._image, length, at)
        return outer[: first - at] + inner + outer[first - at + len(inner) :]


@contextmanager
def reading(image: Path, inset: Inset | None = None) -> Iterator[Source]:
    """Within, a disk's image can be read, with INSET in its place."""
    with image.open("rb") as file:
        if inset is None:
            yield Source(file.fileno())
            return
        with inset.file.open("rb") as inner:
            yield Source(file.fileno(), inner.fileno(), inset.start)
