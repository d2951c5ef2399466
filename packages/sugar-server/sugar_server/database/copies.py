# SPDX-License-Identifier: GPL-3.0-or-later
"""A sound copy of each SQLite file, made every day: an SD card that wears out damages files without a word.

Copies are numbered, 1 the latest: names with dates would go wrong with the clock. PostgreSQL has means of its own.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from sugar_server.database.sqlite import explained
from sugar_server.database.unusable import UnusableDatabase
from sugar_server.durable import to_disk

FOLDER = "copies"
KEPT = 3
_DAY_SECONDS = 24 * 3600
_ROOM_BYTES = 16 * 1024 * 1024
"""That a copy has to leave free: the laptops come first."""
_PART_OF_DATABASE = ("-wal", "-shm", "-journal")


def copy_of(path: Path, number: int) -> Path:
    """Where a database's copy is."""
    return path.parent / FOLDER / f"{path.stem}.{number}.db"


def copies_of(path: Path) -> list[Path]:
    """A database's copies that there are, the latest first."""
    return [copy for number in range(1, KEPT + 1) if (copy := copy_of(path, number)).exists()]


def is_due(path: Path, now: float) -> bool:
    """Whether a day has passed since the latest copy; a copy from the future tells of a clock that was wrong."""
    latest = copy_of(path, 1)
    return not latest.exists() or not 0 <= now - latest.stat().st_mtime < _DAY_SECONDS


def make(path: Path, now: float) -> None:
    """Copies a database that others use meanwhile; a damaged one drives no sound copy away."""
    folder = path.parent / FOLDER
    folder.mkdir(mode=0o750, exist_ok=True)
    new = folder / f"{path.stem}.new"
    new.unlink(missing_ok=True)
    _require_room(path)
    try:
        with explained(path), closing(_opened(path)) as database:
            # Also looks at what a copy leaves out, as indexes.
            _require_sound(database, path)
            database.execute("VACUUM INTO ?", (str(new),))
        check(new)
        os.utime(new, (now, now))
        to_disk(new)
        for number in range(KEPT, 1, -1):
            if copy_of(path, number - 1).exists():
                copy_of(path, number - 1).replace(copy_of(path, number))
        new.replace(copy_of(path, 1))
        to_disk(folder)
    finally:
        new.unlink(missing_ok=True)


def _require_room(path: Path) -> None:
    needed = path.stat().st_size + _ROOM_BYTES
    if shutil.disk_usage(path.parent).free < needed:
        raise UnusableDatabase(f"{path}: there is no room for a copy. Make {needed // 2**20} MiB free on the disk.")


def check(path: Path) -> None:
    """Raises UnusableDatabase unless the file is a sound database."""
    with explained(path), closing(_opened(path)) as database:
        _require_sound(database, path)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)


def _require_sound(database: sqlite3.Connection, path: Path) -> None:
    found = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise UnusableDatabase(
            f"{path}: is damaged ({found}). `sugar-server restore-database` puts the latest sound copy back."
        )


def restore(path: Path, copy: Path) -> Path | None:
    """Puts a copy in a database's place, and what was there aside: returns where, or None if nothing was."""
    check(copy)
    new = path.with_name(path.name + "-new")
    new.write_bytes(copy.read_bytes())
    to_disk(new)
    aside = _put_aside(path)
    new.replace(path)
    to_disk(path.parent)
    return aside


def _put_aside(path: Path) -> Path | None:
    if not path.exists():
        # A journal of a database that is gone would be taken for one of the copy.
        for suffix in _PART_OF_DATABASE:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return None
    number = 1
    while (aside := path.with_name(f"{path.name}-damaged-{number}")).exists():
        number += 1
    # The journals first: cut off between, they stay beside what they belong to, under one name or the other.
    for suffix in _PART_OF_DATABASE:
        journal = path.with_name(path.name + suffix)
        if journal.exists():
            journal.replace(aside.with_name(aside.name + suffix))
    return path.replace(aside)
