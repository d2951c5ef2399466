# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: hard-linked copies of datastore-current that no transfer can reach.

A snapshot appears under its name when it is complete and on the disk, never before. Who calls holds the home's lock.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sugar_server.backup.flush import Flush
from sugar_server.backup.homes import Home, replace_link
from sugar_server.durable import to_disk

NAME = re.compile(r"datastore-(\d{4}-\d\d-\d\d_\d\d:\d\d)")
_FORMAT = "datastore-%Y-%m-%d_%H:%M"
_SHRUNK = 10
"""A Journal with less than a tenth of its entries has shrunk as no child's clearing up makes it."""
_NEW, _BEFORE = ".new", ".before"
_flush_all = Flush()


def moment(name: str) -> datetime:
    """When a snapshot was made."""
    return datetime.strptime(name, _FORMAT).replace(tzinfo=timezone.utc)


def name_of(at: datetime) -> str:
    """What a snapshot of that minute is called."""
    return at.strftime(_FORMAT)


def names(home: Home) -> list[str]:
    """The home's snapshots, the oldest first."""
    return sorted(child.name for child in _children(home.path) if _is_snapshot(child))


def _is_snapshot(child: os.DirEntry[str]) -> bool:
    if not NAME.fullmatch(child.name) or not _is_folder(child):
        return False
    try:
        moment(child.name)
    except ValueError:
        return False
    return True


def count_entries(datastore: Path) -> int:
    """How many Journal entries a datastore holds, of either layout."""
    if (datastore / "store").is_dir() and not (datastore / "store").is_symlink():
        return sum(1 for child in _children(datastore / "store") if child.name.endswith(".metadata"))
    # What only looks like a folder of entries is a link that was planted.
    prefixes = [child.path for child in _children(datastore) if len(child.name) == 2 and _is_folder(child)]
    return sum(1 for prefix in prefixes for child in _children(prefix) if len(child.name) == 36)


def _children(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as children:
            return list(children)
    except FileNotFoundError:
        return []


def _is_folder(child: os.DirEntry[str]) -> bool:
    return child.is_dir(follow_symlinks=False)


def take(home: Home, now: float) -> str | None:
    """Makes a snapshot of datastore-current and returns its name; the last one's if nothing came since."""
    existing = names(home)
    if existing and not home.dirty and home.latest.is_symlink():
        return existing[-1]
    if not home.current.is_dir():
        return None
    new = home.path / _NEW
    remove(new)
    try:
        _copy_linked(home.current, new)
        name = _publish(home, new, now)
    except OSError:
        remove(new)
        raise
    home.mark(dirty=False)
    remove(home.path / _BEFORE)
    return name


def prepare(home: Home, now: float) -> None:
    """Before a transfer: what no snapshot holds yet is kept aside, in case that the transfer deletes it."""
    settle(home, now)
    if home.dirty and count_entries(home.current):
        new = home.path / _NEW
        remove(new)
        try:
            _copy_linked(home.current, new)
            new.rename(home.path / _BEFORE)
        except OSError:
            remove(new)
            raise
    home.mark(dirty=True)


def settle(home: Home, now: float) -> None:
    """After a transfer, or after its end was missed: what was kept aside becomes a snapshot if the Journal shrunk."""
    before = home.path / _BEFORE
    if not before.is_dir():
        return
    if has_shrunk(count_entries(before), count_entries(home.current)):
        _publish(home, before, now)
    else:
        remove(before)


def give_back(folder: Path, since: int) -> None:
    """Removes the files that came into a folder since then (ns), and that no snapshot has.

    What filled the disk would stay as the beginning of a file, and the disk full: the laptop brings it again.
    """
    waiting = [str(folder)]
    while waiting:
        for child in _children(waiting.pop()):
            if _is_folder(child):
                waiting.append(child.path)
                continue
            status = child.stat(follow_symlinks=False)
            if status.st_nlink == 1 and status.st_ctime_ns >= since:
                Path(child.path).unlink()


def has_shrunk(before: int, after: int) -> bool:
    """True if so few entries are left that the older state may not be lost."""
    return after * _SHRUNK < before


def remove(folder: Path) -> None:
    """Removes a folder with all that is in it, however deep; does nothing where there is none."""
    if os.path.lexists(folder):
        subprocess.run(["/bin/rm", "-rf", "--one-file-system", "--", folder], check=True, capture_output=True)


def tidy(home: Home, now: float) -> None:
    """Removes what an interrupted snapshot or purge left."""
    settle(home, now)
    for path in list(home.path.iterdir()):
        if path.name == _NEW or path.name.startswith(".removing-"):
            remove(path)


def drop(home: Home, name: str) -> None:
    """Removes a snapshot; where that is interrupted, none is left that looks complete."""
    removing = home.path / f".removing-{name}"
    remove(removing)
    (home.path / name).rename(removing)
    remove(removing)


def copy(snapshot: Path, home: Home, name: str) -> None:
    """Gives a home a copy of another's snapshot."""
    new = home.path / _NEW
    remove(new)
    try:
        _copy_linked(snapshot, new)
        new.rename(home.path / name)
    except OSError:
        remove(new)
        raise
    to_disk(home.path)


def _publish(home: Home, copy: Path, now: float) -> str:
    # rsync does not wait for the disk: the file system is flushed before the snapshot bears its name.
    _flush_all(home.path)
    name = free_name(home, now)
    copy.rename(home.path / name)
    replace_link(home.latest, name)
    to_disk(home.path)
    return name


def free_name(home: Home, now: float) -> str:
    """A name that is later than every snapshot's: names sort by time though two come in a minute, or a clock errs."""
    at = datetime.fromtimestamp(now, timezone.utc).replace(second=0, microsecond=0)
    existing = names(home)
    if existing:
        at = max(at, moment(existing[-1]) + timedelta(minutes=1))
    return name_of(at)


def _copy_linked(source: Path, target: Path) -> None:
    """Makes TARGET a copy of SOURCE with folders of its own, and the same files."""
    waiting = [(source, target)]
    while waiting:
        here, there = waiting.pop()
        there.mkdir(mode=0o750)
        with os.scandir(here) as children:
            for child in children:
                if _is_folder(child):
                    waiting.append((Path(child.path), there / child.name))
                else:
                    _link(child.path, there / child.name)


def _link(file: str, target: Path) -> None:
    try:
        os.link(file, target, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        shutil.copy2(file, target, follow_symlinks=False)
