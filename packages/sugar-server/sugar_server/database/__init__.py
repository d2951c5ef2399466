# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a room keeps its tables: a SQLite file of its own, or a schema of its own in PostgreSQL.

A commit is on the disk when it returns. Statements are written in the SQL that both share, with ? for values, and
SQLite's names of types; postgresql.py says what becomes of those. Only names of our own are ever formatted into
statements. A statement that fails in a transaction may have to take the whole of it along: what can fail alone goes
into a part().
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sugar_server.database.unusable import UnusableDatabase

__all__ = ["Database", "Reader", "Steps", "UnusableDatabase", "in_postgresql", "keep_in", "probe", "reading"]

Steps = Sequence[Sequence[str]]
"""The statements that bring a room's tables from one format to the next; the first step makes them."""


class Engine(Protocol):
    """A connection to one room's tables; it raises UnusableDatabase for what an administrator has to see to."""

    errors: type[Exception]
    """What it raises for everything else, as for a statement with a fault."""

    def define(self, statement: str) -> None: ...
    def version(self) -> int: ...
    def set_version(self, version: int) -> None: ...
    def rows(self, statement: str, values: Sequence[object]) -> list[dict[str, Any]]: ...
    def run(self, statement: str, values: Sequence[object]) -> int: ...
    def begin(self) -> None: ...
    def end(self, statement: str) -> None: ...
    def in_transaction(self) -> bool: ...
    def close(self) -> None: ...


class Reader(Protocol):
    """A database, of which nothing but queries is wanted."""

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]: ...


class _Keeping:
    """Where this process keeps all rooms' tables: decided once, before the first is opened."""

    url: str | None = None


def keep_in(url: str | None) -> None:
    """All rooms' tables are in the PostgreSQL database at URL; None: in SQLite files."""
    _Keeping.url = url


def in_postgresql() -> bool:
    """True if the rooms' tables are in PostgreSQL."""
    return _Keeping.url is not None


def _connect(path: Path, create: bool = True) -> Engine:
    if _Keeping.url is not None:
        from sugar_server.database.postgresql import PostgreSQL

        return PostgreSQL(_Keeping.url, path.stem)
    from sugar_server.database.copies import copies_of
    from sugar_server.database.sqlite import SQLite

    if create and not path.exists() and copies_of(path):
        raise UnusableDatabase(
            f"{path}: is missing, but there are copies of it. `sugar-server restore-database {path.stem}` puts the "
            f"latest back; to begin anew, remove them from {path.parent / 'copies'}."
        )
    return SQLite(path, create)


class Database:
    """One connection to a room's tables, for use by one thread at a time.

    PATH is the SQLite file; in PostgreSQL its name without suffix is the schema's. ENGINE is what this process uses
    for all rooms, if none is given.
    """

    def __init__(self, path: Path, steps: Steps, engine: Engine | None = None) -> None:
        self.path = path
        self._engine = engine or _connect(path)
        try:
            self._prepare(steps)
        except BaseException:
            self._engine.close()
            raise

    def _prepare(self, steps: Steps) -> None:
        with self.transaction():
            version = self._engine.version()
            if version > len(steps):
                raise UnusableDatabase(
                    f"{self.path}: written by a newer sugar-server (format {version}, this one knows {len(steps)}). "
                    "Install the newer sugar-server again."
                )
            for statements in steps[version:]:
                for statement in statements:
                    self._engine.define(statement)
            if version < len(steps):
                self._engine.set_version(len(steps))

    def close(self) -> None:
        self._engine.close()

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What a query finds."""
        return self._engine.rows(statement, values)

    def run(self, statement: str, *values: object) -> int:
        """Does it, and returns how many rows it was about."""
        if self._engine.in_transaction():
            return self._engine.run(statement, values)
        with self.transaction():
            return self._engine.run(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is on the disk when it ends well, or nothing of it; one at a time writes to a room."""
        self._engine.begin()
        try:
            yield
            if not self._engine.in_transaction():
                raise UnusableDatabase(f"{self.path}: the transaction was lost on the way. Nothing of it is kept.")
            self._engine.end("COMMIT")
        except BaseException:
            if self._engine.in_transaction():
                self._engine.end("ROLLBACK")
            raise

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of a transaction that can fail alone."""
        # A full disk or a lost connection ends the transaction: what followed would be one of its own.
        if not self._engine.in_transaction():
            raise UnusableDatabase(f"{self.path}: the transaction was lost on the way. Nothing of it is kept.")
        self._engine.run("SAVEPOINT part", ())
        try:
            yield
        except BaseException:
            if self._engine.in_transaction():
                self._engine.run("ROLLBACK TO part", ())
            raise
        finally:
            if self._engine.in_transaction():
                self._engine.run("RELEASE part", ())


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """A room's tables for another service's user, who may only read them; UnusableDatabase where that fails."""
    if _Keeping.url is not None:
        from sugar_server.database.postgresql import PostgreSQL

        engine: Engine = PostgreSQL(_Keeping.url, path.stem, may_write=False)
    else:
        from sugar_server.database.sqlite import SQLite

        engine = SQLite(path, create=False, may_write=False)
    with closing(engine):
        try:
            yield _Rows(engine)
        except engine.errors as error:
            raise UnusableDatabase(f"{path}: its tables cannot be read ({error}). Has sugar-server run?") from error


@dataclass(frozen=True)
class _Rows:
    engine: Engine

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return self.engine.rows(statement, values)


def probe(path: Path, query: str, change: str) -> list[dict[str, Any]]:
    """What QUERY finds, on a connection of its own that proves by CHANGE, which it takes back, that it could write.

    It never makes the database, so it also notices one that was removed from under the daemon. Nothing reaches the
    disk: a laptop that polls does not wear out an SD card.
    """
    with closing(_connect(path, create=False)) as engine:
        try:
            engine.begin()
            found = engine.rows(query, ())
            engine.run(change, ())
            engine.end("ROLLBACK")
        except engine.errors as error:
            raise UnusableDatabase(f"{path}: its tables cannot be used ({error})") from error
        return found
