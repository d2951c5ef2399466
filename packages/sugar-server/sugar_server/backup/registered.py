# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may bring backups: the registrations, read from the registration's database and never written."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sugar_server.backup.homes import identity_of
from sugar_server.registration.store import NAME


class Unknown(Exception):
    """The registrations cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class Registered:
    """A laptop that is registered."""

    fingerprint: str
    serial: str
    nick: str

    @property
    def identity(self) -> str:
        return identity_of(self.fingerprint)


class Registrations:
    """The registrations below the daemon's state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def with_serial(self, serial: str) -> list[Registered]:
        """The laptops whose latest registration was with SERIAL; usually one."""
        return self._find("WHERE lower(serial) = ?", serial.lower())

    def all(self) -> list[Registered]:
        return self._find("")

    def _find(self, where: str, *values: str) -> list[Registered]:
        statement = f"SELECT fingerprint, serial, nick FROM registrations {where} ORDER BY last_at DESC"  # noqa: S608
        try:
            with contextlib.closing(self._open()) as database:
                return [Registered(*row) for row in database.execute(statement, values)]
        except sqlite3.Error as error:
            raise Unknown(f"{self._path}: cannot be read ({error}). Is sugar-server running?") from error

    def _open(self) -> sqlite3.Connection:
        # With no log beside it the database is closed and complete, and SQLite, which may not make one here,
        # has to be told so.
        closed = "" if self._path.with_name(NAME + "-wal").exists() else "&immutable=1"
        return sqlite3.connect(f"{self._path.as_uri()}?mode=ro{closed}", uri=True, timeout=3)
