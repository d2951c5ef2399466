# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL, for a master of many schools: one schema for each room.

psycopg2 and not psycopg 3: both Debian releases have both, and its C module lives with the unit's
MemoryDenyWriteExecute and takes less memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sugar_server.database import dialect
from sugar_server.database.unusable import UnusableDatabase

_OPTIONS = (
    "-c synchronous_commit=on",  # what is acknowledged is on the disk
    "-c lock_timeout=5s",  # as long as SQLite waits
    "-c statement_timeout=60s",
    "-c idle_in_transaction_session_timeout=60s",  # a daemon that was stopped with SIGSTOP locks nobody out
    "-c client_min_messages=warning",
)
_PASSWORD = re.compile(r"(://[^/@:]*):[^@]*@|\bpassword=[^&\s]*")
_REMEDY = "Start PostgreSQL (systemctl status postgresql), and see to [database] url and the role's rights."
_REMEDIES = {  # by SQLSTATE
    "53100": "Make room on PostgreSQL's disk; it goes on by itself then.",
    "55P03": "Another program keeps the room's tables: end that one.",
}


class PostgreSQL:
    """A connection to one room's schema; one that was lost is made anew when the next transaction begins."""

    def __init__(self, url: str, room: str, may_write: bool = True) -> None:
        try:
            import psycopg2
            import psycopg2.extensions
        except ImportError as error:
            raise UnusableDatabase(
                f"[database] url: PostgreSQL cannot be used ({error}). Install python3-psycopg2."
            ) from error
        if not re.fullmatch(r"[a-z_]{1,40}", room):
            raise ValueError(f"{room!r} is not the name of a room")
        self._module, self._url, self._room, self._may_write = psycopg2, url, room, may_write
        self.errors: type[Exception] = psycopg2.Error
        self._connect()

    def _connect(self) -> None:
        with self._explained():
            self._db = self._module.connect(self._url, connect_timeout=5, options=" ".join(_OPTIONS))
        try:
            with self._explained(self._module.ProgrammingError):
                self._db.autocommit = True
                self._db.set_client_encoding("UTF8")
                self._read_as_sqlite_does()
                if self._may_write:
                    self._make_schema()
                self._db.cursor().execute(f"SET search_path TO {self._room}")
        except BaseException:
            self.close()
            raise

    def _make_schema(self) -> None:
        with self._db.cursor() as cursor:
            # Two processes that make the schema at once would get into each other's way without the lock.
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", (self._lock,))
            cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._room,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE SCHEMA {self._room}")
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {self._room}.format (version INTEGER NOT NULL)")
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", (self._lock,))

    @property
    def _lock(self) -> str:
        return f"sugar-server {self._room}"

    def _read_as_sqlite_does(self) -> None:
        """sum() of whole numbers is a Decimal for psycopg2, and bytes are a memoryview."""
        extensions = self._module.extensions
        numeric, bytea = (1700,), (17,)
        extensions.register_type(extensions.new_type(numeric, "NUMBER", _number), self._db)

        def read_bytes(value: str | None, cursor: Any) -> bytes | None:
            return None if value is None else bytes(self._module.BINARY(value, cursor))

        extensions.register_type(extensions.new_type(bytea, "BYTES", read_bytes), self._db)

    @contextmanager
    def _explained(self, *more: type[Exception]) -> Iterator[None]:
        try:
            yield
        except (self._module.OperationalError, self._module.InterfaceError, *more) as error:
            reason = " ".join(str(error).split())
            shown = _PASSWORD.sub(r"\1…", self._url)
            remedy = _REMEDIES.get(getattr(error, "pgcode", None) or "", _REMEDY)
            raise UnusableDatabase(f"{shown}: cannot be used ({reason}). {remedy}") from error

    def define(self, statement: str) -> None:
        with self._explained(), self._db.cursor() as cursor:
            cursor.execute(dialect.definition(statement))

    def version(self) -> int:
        found = self.rows("SELECT version FROM format", ())
        return int(found[0]["version"]) if found else 0

    def set_version(self, version: int) -> None:
        self.run("DELETE FROM format", ())
        self.run("INSERT INTO format (version) VALUES (?)", (version,))

    def rows(self, statement: str, values: Sequence[object]) -> list[dict[str, Any]]:
        if self.in_transaction():
            return self._rows(statement, values)
        # Outside of a transaction nothing is lost by asking again on a new connection.
        for again in (True, False):
            try:
                self._make_sure_of_connection()
                return self._rows(statement, values)
            except UnusableDatabase:
                if not (again and self._db.closed):
                    raise
        raise AssertionError("unreachable")

    def _rows(self, statement: str, values: Sequence[object]) -> list[dict[str, Any]]:
        with self._explained(), self._db.cursor() as cursor:
            cursor.execute(dialect.with_values(statement), _sendable(values))
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row)) for row in cursor]

    def run(self, statement: str, values: Sequence[object]) -> int:
        with self._explained(), self._db.cursor() as cursor:
            cursor.execute(dialect.with_values(statement), _sendable(values))
            return int(cursor.rowcount)

    def begin(self) -> None:
        for again in (True, False):
            try:
                self._make_sure_of_connection()
                self.run("BEGIN", ())
                # As SQLite's BEGIN IMMEDIATE: nobody else writes to this room meanwhile.
                self.run("SELECT pg_advisory_xact_lock(hashtext(?))", (self._lock,))
                return
            except UnusableDatabase:
                if not self._db.closed:
                    self.end("ROLLBACK")
                if not (again and self._db.closed):
                    raise

    def _make_sure_of_connection(self) -> None:
        if self._db.closed:
            self._connect()

    def end(self, statement: str) -> None:
        try:
            with self._explained(), self._db.cursor() as cursor:
                cursor.execute(statement)
                outcome = cursor.statusmessage
        except UnusableDatabase:
            # A lost connection has nothing left to take back; a lost COMMIT must be told.
            if statement != "ROLLBACK":
                raise
            return
        if outcome != statement:
            # After a statement that failed outside of a part, COMMIT quietly takes everything back.
            raise self._module.InternalError("The transaction holds a failed statement. Nothing of it is kept.")

    def in_transaction(self) -> bool:
        if self._db.closed:
            return False
        idle = self._module.extensions.TRANSACTION_STATUS_IDLE
        unknown = self._module.extensions.TRANSACTION_STATUS_UNKNOWN
        return self._db.get_transaction_status() not in {idle, unknown}

    def close(self) -> None:
        with suppress(self._module.Error):
            self._db.close()


def _sendable(values: Sequence[object]) -> tuple[object, ...]:
    """SQLite takes a truth as a whole number; PostgreSQL would refuse it."""
    return tuple(int(value) if isinstance(value, bool) else value for value in values)


def _number(value: str | None, _: Any) -> int | float | None:
    if value is None:
        return None
    return float(value) if "." in value or "N" in value else int(value)
