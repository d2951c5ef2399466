# SPDX-License-Identifier: GPL-3.0-or-later
"""SQLite in WAL mode: one file for each room."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sugar_server.database.unusable import UnusableDatabase

_SECONDS_TO_WAIT = 5
# What SQLite says, and what is to be done about it.
_REMEDIES = (
    ("is full", "Make room on the disk; it goes on by itself then."),
    ("disk I/O error", "See to the disk and to the room on it."),
    ("malformed", "It is damaged: `sugar-server restore-database` puts the latest sound copy back."),
    ("not a database", "It is damaged: `sugar-server restore-database` puts the latest sound copy back."),
    ("readonly", "See to the folder's owner (sugar-server) and whether the disk is mounted read-only."),
    ("unable to open", "See to the folder's owner (sugar-server) and free space."),
    ("locked", "Another program keeps it: end that one."),
)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what SQLite says of the file, the disk or another program's lock into UnusableDatabase."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        for words, remedy in _REMEDIES:
            if words in str(error):
                raise UnusableDatabase(f"{path}: cannot be used ({error}). {remedy}") from error
        raise


class SQLite:
    """A connection to one file."""

    errors: type[Exception] = sqlite3.Error

    def __init__(self, path: Path, create: bool, may_write: bool = True) -> None:
        self._path = path
        with explained(path):
            mode = ("rwc" if create else "rw") if may_write else _reading(path)
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=_SECONDS_TO_WAIT,
            )
            self._db.row_factory = sqlite3.Row
            try:
                if create:
                    self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
            except BaseException:
                self._db.close()
                raise

    def define(self, statement: str) -> None:
        self.run(statement, ())

    def version(self) -> int:
        return int(self.rows("PRAGMA user_version", ())[0]["user_version"])

    def set_version(self, version: int) -> None:
        self.run(f"PRAGMA user_version = {version}", ())

    def rows(self, statement: str, values: Sequence[object]) -> list[dict[str, Any]]:
        with explained(self._path):
            return [dict(row) for row in self._db.execute(statement, values)]

    def run(self, statement: str, values: Sequence[object]) -> int:
        with explained(self._path):
            return self._db.execute(statement, values).rowcount

    def begin(self) -> None:
        self.run("BEGIN IMMEDIATE", ())

    def end(self, statement: str) -> None:
        self.run(statement, ())

    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def close(self) -> None:
        self._db.close()


def _reading(path: Path) -> str:
    # With no log beside it the database is closed and complete, and SQLite, which may not make one here,
    # has to be told so.
    return "ro" if path.with_name(path.name + "-wal").exists() else "ro&immutable=1"
