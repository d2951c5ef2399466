"""What a stick's filesystem can hold: its rounding, its largest file, its names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sugar_deploy.errors import UsageError

KIB, MIB, GIB = 2**10, 2**20, 2**30
KINDS = ("fat32", "exfat", "ext4")
# What /proc/self/mountinfo says → the kind whose rules hold. ntfs and unknown drivers in user space get the strictest
# rules about names; any other filesystem of Linux is as generous as ext4.
_DRIVERS = {
    "vfat": "fat32",
    "msdos": "fat32",
    "exfat": "exfat",
    "fuseblk": "exfat",
    "ntfs3": "exfat",
    "ntfs": "exfat",
}

_MOUNTS = Path("/proc/self/mountinfo")

_FORBIDDEN = re.compile(r'[:*?"<>|\\\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A filesystem to write to, or one that the deployer will copy to; sizes in bytes."""

    kind: str
    """fat32, exfat or ext4, which stands for every other one as well."""
    cluster: int
    """A file takes a multiple of this."""
    free: int
    """What may be used for the bundle, besides what a bundle that is there takes already."""
    free_files: int | None = None
    """How many files and folders may still be made; None where there is no such limit."""
    device: str = ""
    """What is mounted, for people."""
    mount: str = ""

    @property
    def strict_names(self) -> bool:
        """Whether names follow Windows' rules."""
        return self.kind != "ext4"

    @property
    def largest_file(self) -> int | None:
        """The largest size of a file; None where no package comes near it."""
        return 4 * GIB - 1 if self.kind == "fat32" else None

    def room(self, sizes: Iterable[tuple[str, int]]) -> int:
        """What files of these paths and sizes take, with their folders."""
        total = 0
        entries: dict[str, int] = {"": 0}
        for path, size in sizes:
            total += self.rounded(size)
            self._enter(path, entries)
        return total + sum(self.rounded(max(length, 1)) for length in entries.values())

    def _enter(self, path: str, entries: dict[str, int]) -> None:
        parent, _, name = path.rpartition("/")
        if parent not in entries:
            entries[parent] = self._entry("..") + self._entry(".")
            self._enter(parent, entries)
        entries[parent] += self._entry(name)

    def _entry(self, name: str) -> int:
        """What a name takes in its folder."""
        if self.kind == "fat32":
            return 32 * (1 + -(-len(name) // 13))
        if self.kind == "exfat":
            return 32 * (2 + -(-len(name) // 15))
        return 8 + len(os.fsencode(name)) + 3

    def rounded(self, size: int) -> int:
        """What a file of this size takes."""
        return -(-size // self.cluster) * self.cluster


def detect(target: Path) -> Filesystem:
    """The filesystem of a folder that exists."""
    device, mount, driver = _mounted(target.resolve(), target.stat().st_dev)
    space = os.statvfs(target)
    kind = _DRIVERS.get(driver, "ext4")
    free = space.f_bavail * space.f_frsize
    return Filesystem(kind, space.f_frsize, free, space.f_favail if space.f_files else None, device, mount)


def _mounted(target: Path, number: int) -> tuple[str, str, str]:
    """Device, mount point and driver of what is mounted at the target or above it; empty texts where nothing says."""
    wanted = f"{os.major(number)}:{os.minor(number)}"
    found = ("", "", "")
    for line in _MOUNTS.read_text(errors="replace").splitlines():
        front, _, back = line.partition(" - ")
        fields, after = front.split(), back.split()
        if len(fields) < 5 or len(after) < 2 or fields[2] != wanted:
            continue
        mount = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
        if target.is_relative_to(mount) and len(mount) >= len(found[1]):
            found = (after[1], mount, after[0])
    return found


def fitted(found: Filesystem, kind: str | None, capacity: int | None) -> Filesystem:
    """The filesystem to plan for: as found, or as the deployer says that the stick will be."""
    if kind and kind != found.kind:
        cluster = cluster_of(kind, capacity or found.free)
        found = replace(found, kind=kind, cluster=cluster, free_files=found.free_files if kind == "ext4" else None)
    if capacity is None:
        return found
    return replace(found, free=min(found.free, capacity - overhead(found, capacity)))


# Up to this capacity → this cluster; and the cluster of larger ones. As mkfs.vfat and mkfs.exfat do, and Windows.
_CLUSTERS: dict[str, tuple[tuple[tuple[int, int], ...], int]] = {
    "fat32": (((260 * MIB, KIB // 2), (8 * GIB, 4 * KIB), (16 * GIB, 8 * KIB), (32 * GIB, 16 * KIB)), 32 * KIB),
    "exfat": (((GIB // 4, 4 * KIB), (32 * GIB, 32 * KIB)), 128 * KIB),
}


def cluster_of(kind: str, capacity: int) -> int:
    """The cluster that a stick of this capacity has when it is formatted with the usual settings."""
    if kind not in _CLUSTERS:
        return 4 * KIB
    steps, largest = _CLUSTERS[kind]
    return next((cluster for limit, cluster in steps if capacity <= limit), largest)


def overhead(filesystem: Filesystem, capacity: int) -> int:
    """What the filesystem keeps for itself on a stick of this capacity, with its usual settings."""
    clusters = capacity // filesystem.cluster
    if filesystem.kind == "fat32":
        return 2 * 4 * clusters + MIB
    if filesystem.kind == "exfat":
        # The FAT begins at 1 MiB and the clusters at the next whole one after it; of them, the bitmap, the table of
        # capital letters and the root take some, and at the end a part of one is left over.
        return MIB + -(-4 * clusters // MIB) * MIB + filesystem.rounded(clusters // 8) + 4 * filesystem.cluster
    # Inodes, journal, and the twentieth that is kept for root.
    journal = min(max(capacity // 64, 4 * MIB), 128 * MIB)
    return capacity // 64 + journal + capacity // 20 + MIB


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": KIB, "mi": MIB, "gi": GIB, "ti": 2**40}


def size_in_bytes(text: str) -> int:
    """A size as it stands on a stick: 16G, 16 GB, 500M (decimal, as their makers count) or 15GiB."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt]i?)?b?)?\s*", text, re.IGNORECASE)
    size = int(float(found[1]) * _UNITS[(found[2] or "").lower()]) if found else 0
    if not 0 < size < 2**60:
        raise UsageError(f"{text!r} is no size of a stick", "Write it as 16G, 500M or 14.5GiB")
    return size


def refuse_names(filesystem: Filesystem, files: Sequence[tuple[str, int]]) -> None:
    """Raise UsageError naming the files that the filesystem cannot hold, because of their names or their size."""
    faults = [f"{path}: {fault}" for path, size in files if (fault := _fault(filesystem, path, size))]
    if filesystem.strict_names:
        faults += _collisions(path for path, _ in files)
    if faults:
        shown = "\n  ".join(faults[:10]) + ("\n  …" if len(faults) > 10 else "")
        raise UsageError(
            f"{filesystem.kind} cannot hold {len(faults)} of the files:\n  {shown}",
            "If a package of yours in debs/ is among them, rename or split it; or format the stick as "
            + ("exFAT or ext4" if filesystem.kind == "fat32" else "ext4"),
        )


def _fault(filesystem: Filesystem, path: str, size: int) -> str:
    if filesystem.largest_file is not None and size > filesystem.largest_file:
        return f"{size} bytes, and 4 GiB less one byte is the most"
    for name in path.split("/"):
        if len(os.fsencode(name)) > _LONGEST_NAME:
            return f"a name of more than {_LONGEST_NAME} bytes"
        if not filesystem.strict_names:
            continue
        if found := _FORBIDDEN.search(name):
            return f"{found[0]!r} in a name"
        if name.endswith((".", " ")):
            return "a name that ends in a dot or a space"
        if _RESERVED.fullmatch(name):
            return "a name that Windows keeps for a device"
    return ""


def _collisions(paths: Iterable[str]) -> list[str]:
    seen: dict[str, str] = {}
    faults = []
    for path in paths:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            name = "/".join(parts[:depth])
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                faults.append(f"{name}: {other} is the same name to it")
                break
    return faults
