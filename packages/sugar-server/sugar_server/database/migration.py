# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the rooms' tables from their SQLite files into an empty PostgreSQL database: all of them, or nothing.

One transaction holds everything that is written, so that a migration that was cut off has left nothing but empty
tables, and is simply done again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_server.database import Database, Engine, Steps, UnusableDatabase, copies
from sugar_server.database.postgresql import PostgreSQL
from sugar_server.database.sqlite import SQLite

_ROWS_AT_ONCE = 500
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """A room's table, that both databases have."""

    room: str
    name: str
    columns: tuple[str, ...]

    @property
    def target(self) -> str:
        return f"{self.room}.{self.name}"

    @property
    def listed(self) -> str:
        return ", ".join(self.columns)

    def query(self, name: str) -> str:
        return f"SELECT {self.listed} FROM {name}"  # noqa: S608 (names of our own tables)


def migrate(folder: Path, url: str, rooms: Mapping[str, Steps]) -> dict[str, int]:
    """Copies the tables of all rooms in FOLDER and returns the number of rows of each, as `registrations.held`.

    ROOMS has each file's name with the statements that make its tables. Nobody else may write to either meanwhile:
    who calls holds the folder. Raises UnusableDatabase; then PostgreSQL holds no row, and the files are as they were.
    """
    paths = sorted(folder.glob("*.db"))
    unknown = [path.name for path in paths if path.name not in rooms]
    if unknown:
        raise UnusableDatabase(f"{folder}: {unknown[0]} is no room's database. Move it elsewhere.")
    if not paths:
        raise UnusableDatabase(f"{folder}: there is no database to bring over. Without one, just start the daemon.")
    with ExitStack() as ending:
        sources = {}
        for path in paths:
            copies.check(path)
            sources[path.stem] = Database(path, rooms[path.name], SQLite(path, create=False))
            ending.callback(sources[path.stem].close)
            _make_tables(path, rooms[path.name], url)
        target = PostgreSQL(url, paths[0].stem)
        ending.callback(target.close)
        for source in sources.values():
            ending.enter_context(source.transaction())
        return _copied(sources, target)


def _make_tables(path: Path, steps: Steps, url: str) -> None:
    Database(path, steps, PostgreSQL(url, path.stem)).close()


def _copied(sources: Mapping[str, Database], target: Engine) -> dict[str, int]:
    counts = {}
    target.begin()
    try:
        for room, source in sources.items():
            for table in _tables(room, source):
                counts[table.target] = _copy(source, target, table)
        target.end("COMMIT")
    except (ValueError, target.errors) as error:
        raise UnusableDatabase(
            f"PostgreSQL does not take {table.target} ({error}). Nothing was brought over."
        ) from error
    finally:
        if target.in_transaction():
            target.end("ROLLBACK")
    return counts


def _tables(room: str, source: Database) -> Iterator[Table]:
    names = source.rows(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    for row in names:
        columns = source.rows("SELECT name FROM pragma_table_info(?) ORDER BY cid", row["name"])
        yield Table(room, row["name"], tuple(column["name"] for column in columns))


def _copy(source: Database, target: Engine, table: Table) -> int:
    target.run(f"LOCK TABLE {table.target} IN EXCLUSIVE MODE", ())
    if target.rows(f"{table.query(table.target)} LIMIT 1", ()):
        raise UnusableDatabase(f"{table.target} in PostgreSQL is not empty. Give [database] url an empty database.")
    rows = [tuple(row.values()) for row in source.rows(table.query(table.name))]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        _insert(target, table, rows[start : start + _ROWS_AT_ONCE])
    there = [tuple(row.values()) for row in target.rows(table.query(table.target), ())]
    if Counter(there) != Counter(rows):
        raise UnusableDatabase(
            f"{table.target} in PostgreSQL is not what it was in SQLite. Nothing was brought over."
        )
    _count_on(target, table)
    return len(there)


def _insert(target: Engine, table: Table, rows: Sequence[Row]) -> None:
    places = ", ".join(["(" + ", ".join("?" for _ in table.columns) + ")"] * len(rows))
    values = [value for row in rows for value in row]
    # Names of our own tables, as everywhere in this module.
    target.run(f"INSERT INTO {table.target} ({table.listed}) VALUES {places}", values)  # noqa: S608


def _count_on(target: Engine, table: Table) -> None:
    """Keys that the database counts go on after the highest."""
    counted = target.rows(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = ? AND is_identity = 'YES'",
        (table.room, table.name),
    )
    for row in counted:
        column = row["column_name"]
        # The column's name comes from the database's own catalogue of our tables.
        statement = f"SELECT setval(pg_get_serial_sequence(?, ?), (SELECT max({column}) FROM {table.target}))"  # noqa: S608
        target.rows(statement, (table.target, column))
