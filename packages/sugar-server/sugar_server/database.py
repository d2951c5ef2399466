# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a room keeps its tables: a SQLite file of its own, whose commits are on the disk when they return.

Statements are written in the SQL that SQLite and PostgreSQL share, with ? for values. Only names of our own are ever
formatted into them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Steps = Sequence[Sequence[str]]
"""The statements that bring a room's tables from one format to the next; the first step makes them."""


class UnusableDatabase(Exception):
    """The database cannot be opened; the message says why and what to do."""


class Database:
    """One connection to a room's tables, for use by one thread at a time."""

    def __init__(self, path: Path, steps: Steps) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            self._db.row_factory = sqlite3.Row
            self._prepare(steps)
        except sqlite3.Error as error:
            raise UnusableDatabase(
                f"{path}: cannot be opened ({error}). "
                "See to the folder's owner (sugar-server) and free space; put a damaged file back from a backup."
            ) from error

    def _prepare(self, steps: Steps) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(steps):
                raise UnusableDatabase(
                    f"{self.path}: written by a newer sugar-server (format {version}, this one knows {len(steps)}). "
                    "Install the newer sugar-server again."
                )
            for statements in steps[version:]:
                for statement in statements:
                    self._db.execute(statement)
            if version < len(steps):
                self._db.execute(f"PRAGMA user_version = {len(steps)}")

    def close(self) -> None:
        self._db.close()

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What a query finds."""
        return [dict(row) for row in self._db.execute(statement, values)]

    def run(self, statement: str, *values: object) -> int:
        """Does it, and returns how many rows it was about."""
        return self._db.execute(statement, values).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is on the disk when it ends well, or nothing of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of a transaction that can fail alone."""
        self._db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO part")
            raise
        finally:
            self._db.execute("RELEASE part")
