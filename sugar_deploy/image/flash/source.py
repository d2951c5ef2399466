"""An image of a whole stick or disk, and which of its bytes are to be written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.media import bmap

SECTOR = 512
CHUNK = 4 << 20
"""Bytes that are read and written together: a multiple of any stick's erase block, nearly."""


@dataclass(frozen=True, slots=True)
class Source:
    """An image; with its .bmap, if there is one beside it, only what that has counts."""

    path: Path
    size: int
    ranges: tuple[bmap.Range, ...]

    @property
    def to_write(self) -> int:
        """Bytes that are written."""
        return sum(one.end - one.start for one in self.ranges)

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Where each piece begins, and how long it is: bytes, in rising order, the partition table first."""
        for one in self.ranges:
            for at in range(one.start, one.end, CHUNK):
                yield at, min(CHUNK, one.end - at)


def read_source(path: Path) -> Source:
    """The image at PATH, held against its .bmap; raises UsageError for what is none, or was changed since."""
    if path.suffix in {".zd", ".zsp"}:
        remedy = "`sugar-deploy image media` makes a stick with it, which `image flash` writes"
        raise UsageError(f"{path} is for a laptop's firmware, which unpacks it", remedy)
    size = path.stat().st_size
    with path.open("rb") as file:
        table = file.read(SECTOR)
    if table[510:] != b"\x55\xaa" or not any(table[446:510]):
        raise UsageError(
            f"{path} is no image of a whole disk: it has no partition table", "Make one: sugar-deploy image media"
        )
    described = path.with_name(f"{path.name}.bmap")
    if not described.exists():
        return Source(path, size, (bmap.Range(0, size, ""),))
    remedy = f"Make the image anew; or remove {described.name}, and all of it is written"
    try:
        ranges = bmap.read(described.read_bytes(), size)
    except ValueError as error:
        raise UsageError(f"{described}: {error}", remedy) from None
    for one in ranges:
        if one.sha256 and bmap.sha256_of_bytes(path, one.start, one.end) != one.sha256:
            raise UsageError(f"{path} is not the image that {described.name} describes", remedy)
    return Source(path, size, ranges)
