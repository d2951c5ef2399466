# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that put a database's copy back, and that bring all databases into PostgreSQL."""

from __future__ import annotations

import argparse
import contextlib
import time
from pathlib import Path
from typing import Any

from sugar_server.command import Failed, add_root, add_state, become_owner
from sugar_server.config import load
from sugar_server.database import UnusableDatabase, copies, in_postgresql
from sugar_server.database.keeper import InUse, Occupied


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    restoring = commands.add_parser(
        "restore-database", help="put the latest sound copy of a database back", description=_restore.__doc__
    )
    restoring.add_argument(
        "name", nargs="?", metavar="NAME", help="as registrations; without it, the copies are listed"
    )
    restoring.add_argument(
        "--copy",
        type=int,
        choices=range(1, copies.KEPT + 1),
        default=None,
        help="which (default: the latest sound one)",
    )
    add_state(restoring)
    add_root(restoring)
    restoring.set_defaults(run=_restore)

    migrating = commands.add_parser(
        "migrate-database", help="bring all databases from SQLite into PostgreSQL", description=_migrate.__doc__
    )
    add_state(migrating)
    add_root(migrating)
    migrating.set_defaults(run=_migrate)


def _restore(arguments: argparse.Namespace) -> int:
    """Puts the latest sound copy of a database back, and the damaged one aside.

    Stop the daemon before: systemctl stop sugar-server.socket sugar-server.service
    """
    if in_postgresql():
        raise Failed("The tables are in PostgreSQL. Restore them with pg_restore from what pg_dump saved.")
    become_owner(arguments.state, copies.FOLDER)
    if arguments.name is None:
        return _list(arguments.state)
    if not arguments.name.replace("_", "").isalnum():
        raise Failed(f"{arguments.name!r} is no database's name. `sugar-server restore-database` lists them.")
    path = arguments.state / f"{arguments.name}.db"
    try:
        with contextlib.closing(Occupied(arguments.state)):
            copy = _choose(path, arguments.copy)
            aside = copies.restore(path, copy)
    except InUse as error:
        raise Failed(str(error)) from error
    except OSError as error:
        raise Failed(f"{path}: cannot be restored ({error.strerror}). See to the room on the disk.") from error
    print(f"{path} is again as it was at {_moment(copy)}.")
    if aside:
        print(f"What was there is in {aside}; remove it when nothing is missed.")
    print("Start the daemon: systemctl start sugar-server.socket sugar-server.service")
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    """Brings all rooms' tables from their SQLite files into the empty PostgreSQL database that [database] url names.

    Stop the daemon before: systemctl stop sugar-server.socket sugar-server.service
    """
    from sugar_server.database.migration import migrate
    from sugar_server.database.rooms import ROOMS

    url = load(arguments.root).database.url
    if url is None:
        raise Failed(
            "Where to? Write [database] url into the settings; it may hold a password, and is not asked here."
        )
    become_owner(arguments.state, copies.FOLDER)
    try:
        with contextlib.closing(Occupied(arguments.state)):
            counts = migrate(arguments.state, url, ROOMS)
    except InUse as error:
        raise Failed(str(error)) from error
    for table, count in counts.items():
        print(f"{count:9}  {table}")
    print("All rows are in PostgreSQL. The SQLite files stay as they were; remove them when nothing is missed.")
    print("Start the daemon: systemctl start sugar-server.socket sugar-server.service")
    return 0


def _choose(path: Path, number: int | None) -> Path:
    """The copy with that number, or the latest sound one."""
    found = [copies.copy_of(path, number)] if number else copies.copies_of(path)
    faults = []
    for copy in found:
        if not copy.exists():
            continue
        try:
            copies.check(copy)
            return copy
        except UnusableDatabase as error:
            faults.append(str(error))
    told = " ".join(faults) or f"There is no such copy of {path.name}."
    raise Failed(f"{told} `sugar-server restore-database` lists the copies.")


def _list(folder: Path) -> int:
    for copy in sorted((folder / copies.FOLDER).glob("*.db")):
        name, _, number = copy.stem.rpartition(".")
        print(f"{name:20}  copy {number}  {_moment(copy)}  {copy.stat().st_size} bytes")
    return 0


def _moment(copy: Path) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(copy.stat().st_mtime))
