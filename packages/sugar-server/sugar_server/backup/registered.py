# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may bring backups: the registrations, read from the registration's database and never written.

Backups are a school server's: where the registrations are in PostgreSQL, a master's of many schools, there are none.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_server.backup.homes import identity_of
from sugar_server.registration.identities import Identities, Identity
from sugar_server.registration.store import NAME


class Unknown(Exception):
    """The registrations cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class Registered:
    """A laptop that is registered."""

    fingerprint: str
    """Of the key that it is known by."""
    serial: str
    nick: str
    keys: frozenset[str]
    """The fingerprints of all keys that let it in."""

    @classmethod
    def of(cls, identity: Identity) -> Registered:
        keys = frozenset((identity.fingerprint, *identity.linked))
        return cls(identity.fingerprint, identity.serial, identity.nick, keys)

    @property
    def identity(self) -> str:
        return identity_of(self.fingerprint)


class _Reader:
    """Reads SQLite, for Identities."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._connection.row_factory = sqlite3.Row

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in self._connection.execute(statement, values)]


class Registrations:
    """The registrations below the daemon's state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def with_serial(self, serial: str) -> list[Registered]:
        """The laptops that registered with SERIAL, those whose latest it was first; usually one."""
        with self._reading() as reader:
            return [Registered.of(identity) for identity in Identities(reader).by_serial(serial)]

    def all(self) -> list[Registered]:
        """Every laptop, the one that registered last first."""
        with self._reading() as reader:
            identities = Identities(reader)
            rows = reader.rows("SELECT fingerprint FROM registrations ORDER BY last_at DESC")
            found = [identities.by_fingerprint(row["fingerprint"]) for row in rows]
            return [Registered.of(identity) for identity in found if identity is not None]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[_Reader]:
        # With no log beside it the database is closed and complete, and SQLite, which may not make one here,
        # has to be told so.
        closed = "" if self._path.with_name(NAME + "-wal").exists() else "&immutable=1"
        try:
            connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro{closed}", uri=True, timeout=3)
            with contextlib.closing(connection):
                yield _Reader(connection)
        except sqlite3.Error as error:
            raise Unknown(f"{self._path}: cannot be read ({error}). Is sugar-server running?") from error
