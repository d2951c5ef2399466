"""The partition table: an MBR, as no laptop's firmware boots from anything else."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.outputs.debugfs import Place
from sugar_deploy.image.outputs.programs import run

SECTOR = 512
_CYLINDER = 16 * 62
"""Sectors: sizes of cards are rounded down to such, as OLPC's builder did."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Where a partition begins and how long it is (sectors), its type (hexadecimal), whether it is the active one."""

    start: int
    sectors: int
    kind: str
    is_active: bool = False

    def place(self, image: Path) -> Place:
        """Where its file system is within the image of the disk."""
        return Place(image, self.start * SECTOR, self.sectors * SECTOR)


def whole_cylinders(size: int) -> int:
    """A size in bytes, rounded down to whole cylinders."""
    return size // SECTOR // _CYLINDER * _CYLINDER * SECTOR


def rest(size: int, start: int, kind: str, *, is_active: bool = False) -> Partition:
    """The partition from START (sectors) to the end of a disk of SIZE bytes; raises UsageError if none is left."""
    sectors = size // SECTOR - start
    if sectors <= 0:
        raise UsageError(f"a disk of {size} bytes is too small", "Take a larger one")
    return Partition(start, sectors, kind, is_active)


def partition(image: Path, size: int, partitions: Sequence[Partition], identity: uuid.UUID, epoch: int) -> None:
    """Make an image of an empty disk of SIZE bytes with these partitions."""
    with image.open("wb") as file:
        file.truncate(size)
    lines = ["label: dos", f"label-id: 0x{identity.hex[:8]}", "unit: sectors"]
    for one in partitions:
        active = ", bootable" if one.is_active else ""
        lines.append(f"start={one.start}, size={one.sectors}, type={one.kind}{active}")
    script = "\n".join(lines) + "\n"
    run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(image)], epoch=epoch, stdin=script)
