# SPDX-License-Identifier: GPL-3.0-or-later
"""Which snapshots go when the disk fills: the policy of ds-cleanup, and some that always stay.

Nothing goes while the disk has room. Then what is older than `keep_days` is thinned to one a month; then, in a
bounded number of rounds, whoever has more than an equal share gives the oldest. datastore-current never goes, nor
the newest snapshot, nor an older one that has more than ten times the entries of each newer one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sugar_server.backup import snapshots
from sugar_server.backup.homes import Busy, Home, Homes
from sugar_server.backup.settings import BackupSettings

_ROUNDS = 10
_LONGEST_HOLIDAYS = timedelta(days=400)
_FOR_ROOT = 0.95
"""ext4 keeps a twentieth for root: full is what is left."""


@dataclass(frozen=True)
class Removal:
    """One snapshot that goes."""

    home: Home
    snapshot: str
    why: str


@dataclass
class Disk:
    """The file system with the backups. On a dry run, what was removed is only thought away."""

    folder: Path
    dry_run: bool
    freed_bytes: int = 0
    freed_inodes: int = 0
    gone: set[Path] = field(default_factory=set)

    def used_share(self) -> float:
        """Of what there is room for: bytes or inodes, whichever is nearer to its end."""
        usage = os.statvfs(self.folder)
        used_bytes = (usage.f_blocks - usage.f_bfree) * usage.f_frsize - self.freed_bytes
        shares = [used_bytes / max(1.0, self.total_bytes())]
        if usage.f_files:
            shares.append((usage.f_files - usage.f_ffree - self.freed_inodes) / (usage.f_files * _FOR_ROOT))
        return max(shares)

    def total_bytes(self) -> float:
        usage = os.statvfs(self.folder)
        return usage.f_blocks * usage.f_frsize * _FOR_ROOT

    def remove(self, home: Home, snapshot: str) -> None:
        path = home.path / snapshot
        if self.dry_run:
            size = measure(path, alone=True)
            self.freed_bytes += size.bytes
            self.freed_inodes += size.inodes
        else:
            snapshots.drop(home, snapshot)
        self.gone.add(path)

    def left(self, home: Home) -> list[str]:
        """The home's snapshots that are still there, the oldest first."""
        return [name for name in snapshots.names(home) if home.path / name not in self.gone]


@dataclass(frozen=True)
class Size:
    """What a folder takes of the disk."""

    bytes: int
    inodes: int


def measure(*folders: Path, alone: bool = False) -> Size:
    """The folders' size, a file with several names counted once; ALONE: only what no other folder has as well."""
    seen: dict[int, list[int]] = {}
    size = inodes = 0
    for status in _statuses(*folders):
        if status.st_nlink > 1 and not _is_folder(status):
            names = seen.setdefault(status.st_ino, [0, status.st_nlink, status.st_blocks])
            names[0] += 1
        else:
            size += status.st_blocks * 512
            inodes += 1
    for found, links, blocks in seen.values():
        if not alone or found == links:
            size += blocks * 512
            inodes += 1
    return Size(size, inodes)


def protected(home: Home, names: list[str]) -> set[str]:
    """The snapshots that stay whatever happens."""
    kept: set[str] = set()
    most = 0
    for name in reversed(names):
        count = snapshots.count_entries(home.path / name)
        if not kept or snapshots.has_shrunk(count, most):
            kept.add(name)
        most = max(most, count)
    return kept


def purge(homes: Homes, settings: BackupSettings, now: float, dry_run: bool) -> Iterator[Removal]:
    """Removes what the policy wants removed, or with DRY_RUN only tells it, one by one; Busy if another one does."""
    with homes.locked("purge"):
        yield from _purge(homes, settings, now, dry_run)


def _purge(homes: Homes, settings: BackupSettings, now: float, dry_run: bool) -> Iterator[Removal]:
    disk = Disk(homes.folder, dry_run)
    if settings.child_quota_mib:
        for home in homes.all():
            yield from _within(homes, disk, home, settings.child_quota_mib, "more than a child's quota")
    if disk.used_share() * 100 <= settings.quota_percent:
        return
    for home in homes.all():
        yield from _thin(homes, disk, home, _oldest_kept(homes, settings, now))
    everyone = homes.all()
    share = disk.total_bytes() * settings.quota_percent / 100 / max(1, len(everyone))
    for _ in range(_ROUNDS):
        for home in everyone:
            if disk.used_share() * 100 <= settings.quota_percent:
                return
            yield from _within(homes, disk, home, share, "more than an equal share", most_removals=1)


def _oldest_kept(homes: Homes, settings: BackupSettings, now: float) -> datetime:
    """What is older is thinned. A clock that is years ahead of every backup is wrong, and makes nothing old."""
    at = datetime.fromtimestamp(now, timezone.utc)
    newest = max(
        (snapshots.moment(names[-1]) for home in homes.all() if (names := snapshots.names(home))), default=at
    )
    if at - newest > _LONGEST_HOLIDAYS:
        at = newest
    return at - timedelta(days=settings.keep_days)


def _thin(homes: Homes, disk: Disk, home: Home, oldest_kept: datetime) -> Iterator[Removal]:
    names = disk.left(home)
    kept = protected(home, names)
    months: set[tuple[int, int]] = set()
    for name in names:
        at = snapshots.moment(name)
        if at >= oldest_kept:
            return
        first_of_its_month = (at.year, at.month) not in months
        months.add((at.year, at.month))
        if not first_of_its_month and name not in kept:
            yield from _remove(homes, disk, Removal(home, name, "not the first of its month"))


def _within(
    homes: Homes, disk: Disk, home: Home, most_bytes: float, why: str, most_removals: int | None = None
) -> Iterator[Removal]:
    """Removes the oldest snapshots while the home is larger than it may be."""
    names = disk.left(home)
    kept = protected(home, names)
    for name in [name for name in names if name not in kept][:most_removals]:
        if measure(home.path).bytes - _thought_away(disk, home) <= most_bytes:
            return
        yield from _remove(homes, disk, Removal(home, name, why))


def _thought_away(disk: Disk, home: Home) -> int:
    if not disk.dry_run:
        return 0
    gone = [path for path in disk.gone if path.parent == home.path]
    return sum(measure(path, alone=True).bytes for path in gone)


def _remove(homes: Homes, disk: Disk, removal: Removal) -> Iterator[Removal]:
    try:
        with homes.locked(removal.home.identity):
            disk.remove(removal.home, removal.snapshot)
    except Busy:
        return  # the child is backing up: next time
    yield removal


def _statuses(*folders: Path) -> Iterator[os.stat_result]:
    waiting = [str(folder) for folder in folders]
    while waiting:
        here = waiting.pop()
        try:
            yield os.lstat(here)
            with os.scandir(here) as children:
                for child in children:
                    if child.is_dir(follow_symlinks=False):
                        waiting.append(child.path)
                    else:
                        yield child.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # a transfer goes on meanwhile


def _is_folder(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode)
