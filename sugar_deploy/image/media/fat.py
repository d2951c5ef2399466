"""A FAT filesystem in an image: the smallest one that holds its files, and that a laptop's firmware can read."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.outputs.partitions import SECTOR, Partition
from sugar_deploy.image.outputs.programs import run

MIB = 2**20
LARGEST_FILE = 2**32 - 1
_ENTRY, _LONG_NAME_PIECE = 32, 13
"""Bytes of a folder's entry, and characters of a long name in one."""
NAME = re.compile(r"[A-Za-z0-9_+-]([A-Za-z0-9._+ -]{0,200}[A-Za-z0-9_+-])?")
"""What every FAT holds and every tool writes alike; the firmware's own, stricter rule is `check_stick`'s."""


@dataclass(frozen=True, slots=True)
class Form:
    """A FAT filesystem: BITS of its entries, sectors of a cluster, and its size."""

    bits: int
    cluster_sectors: int
    mib: int

    @property
    def kind(self) -> str:
        """The partition's type, addressed by blocks."""
        return "e" if self.bits == 16 else "c"


def form_for(sizes: Mapping[str, int]) -> Form:
    """The smallest usual form that holds files of these sizes, by their places, and a little more.

    The firmware reads no FAT16 whose table has 256 sectors; this one has 32.
    """
    small = Form(16, 4, 16)
    if _taken(sizes, small) < 15 * MIB:
        return small
    # FAT32 begins at 65525 clusters.
    for cluster, least in ((1, 40), (8, 264)):
        taken = _taken(sizes, Form(32, cluster, 0))
        tables = 2 * 4 * (taken // (cluster * SECTOR))
        form = Form(32, cluster, max(least, -(-(taken + tables) // MIB) + 2))
        if form.mib <= 260:
            break
    return form


def sizes_below(root: Path) -> dict[str, int]:
    """Each file's size by its place below the folder; raises UsageError for what FAT cannot hold."""
    sizes = {file.relative_to(root).as_posix(): file.stat().st_size for file in root.rglob("*") if file.is_file()}
    seen: dict[str, str] = {}
    for name, size in sorted(sizes.items()):
        if not all(NAME.fullmatch(part) for part in name.split("/")):
            raise UsageError(f"{name}: not every FAT holds such a name", "Use letters, digits, . _ + and -")
        if size > LARGEST_FILE:
            raise UsageError(f"{name}: is over 4 GiB: FAT cannot hold it", "Make several sticks")
        if (other := seen.setdefault(name.lower(), name)) != name:
            raise UsageError(f"{name} and {other} are one name on FAT", "Call one of them otherwise")
    return sizes


def write_fat(
    root: Path, image: Path, where: Partition, form: Form, *, label: str, identity: uuid.UUID, epoch: int
) -> None:
    """Make the filesystem in a partition of IMAGE, with what the folder ROOT holds, as of EPOCH (Unix seconds).

    What is a link there is the file itself on it.
    """
    options = ("--invariant", "-F", str(form.bits), "-s", str(form.cluster_sectors))
    names = ("-i", identity.hex[:8], "-n", label)
    place = ("-h", str(where.start), "--offset", str(where.start), str(image), str(where.sectors * SECTOR // 1024))
    run(["mkfs.vfat", *options, *names, *place], epoch=epoch)
    fat = f"{image}@@{where.start * SECTOR}"
    # One by one and sorted: -s would take the folder's own order. The files' time is the present, which is EPOCH.
    for path in sorted(root.rglob("*")):
        target = f"::/{path.relative_to(root).as_posix()}"
        command = ["mmd", "-i", fat, target] if path.is_dir() else ["mcopy", "-i", fat, str(path), target]
        run(command, epoch=epoch)


def _taken(sizes: Mapping[str, int], form: Form) -> int:
    """Bytes of the clusters that files and folders take."""
    cluster = form.cluster_sectors * SECTOR
    # A folder's two entries for itself and what is above it.
    folders = {"": 2 * _ENTRY}
    for place in sizes:
        folder, _, name = place.rpartition("/")
        entries = 2 + len(name) // _LONG_NAME_PIECE
        folders[folder] = folders.get(folder, 2 * _ENTRY) + entries * _ENTRY
    return sum(-(-size // cluster) * cluster for size in (*sizes.values(), *folders.values()))
