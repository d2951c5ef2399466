# SPDX-License-Identifier: GPL-3.0-or-later
"""The registrations' database: SQLite, where a commit is on the disk before it is acknowledged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

NAME = "registrations.db"
VERSION = 1
# Only names of our own, these and the two tables', are ever formatted into SQL; every value is bound.
_COLUMNS = "fingerprint, key, pubkey, serial, hardware, uuid, nick, address, first_at, last_at"
_TABLE = """
CREATE TABLE {name} (
    fingerprint TEXT PRIMARY KEY,   -- SHA256:… of the key's blob: the identity
    key TEXT NOT NULL,              -- type and base64 blob
    pubkey TEXT NOT NULL,           -- exactly as sent: its SHA-1 is the laptop's XMPP name
    serial TEXT NOT NULL,           -- of the latest registration: the account's name
    hardware INTEGER NOT NULL,      -- 1: the serial tells the machine
    uuid TEXT,
    nick TEXT NOT NULL,
    address TEXT NOT NULL,          -- from where the latest registration came
    first_at TEXT NOT NULL,         -- UTC, as 2026-01-31T12:00:00Z
    last_at TEXT NOT NULL
) WITHOUT ROWID
"""
_SCHEMA = (
    _TABLE.format(name="registrations"),
    "CREATE INDEX registrations_serial ON registrations (serial COLLATE NOCASE)",
    # Refused until somebody approves them; the accepted registration of the same key, if any, stays as it is.
    _TABLE.format(name="held"),
    f"PRAGMA user_version = {VERSION}",
)


class UnusableDatabase(Exception):
    """The database cannot be opened; the message says why and what to do."""


class KnownSerial(str, Enum):
    """What to do when a known XO's serial comes with a new key."""

    ACCEPT = "accept"
    HOLD = "hold"
    REJECT = "reject"


class Outcome(str, Enum):
    """What became of a registration."""

    ACCEPTED = "accepted"
    HELD = "held"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Registration:
    """One checked attempt to register."""

    fingerprint: str
    key: str
    pubkey: str
    serial: str
    hardware: bool
    uuid: str | None
    nick: str
    address: str
    at: str


class Store:
    """One connection to the database, for use by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=5)
            self._db.row_factory = sqlite3.Row
            self._prepare()
        except sqlite3.Error as error:
            raise UnusableDatabase(
                f"{self.path}: cannot be opened ({error}). "
                "See to the folder's owner (sugar-server) and free space; put a damaged file back from a backup."
            ) from error

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise UnusableDatabase(
                    f"{self.path}: written by a newer sugar-server (format {version}, this one knows {VERSION}). "
                    "Install the newer sugar-server again."
                )
            if version == 0:
                for statement in _SCHEMA:
                    self._db.execute(statement)

    def close(self) -> None:
        self._db.close()

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

    def register(self, new: Registration, policy: KnownSerial) -> Outcome:
        """Enters the registration as the policy wants it."""
        if policy is not KnownSerial.ACCEPT and self._is_anothers(new):
            if policy is KnownSerial.HOLD:
                self._upsert("held", new)
                return Outcome.HELD
            return Outcome.REJECTED
        self._upsert("registrations", new)
        self._db.execute("DELETE FROM held WHERE fingerprint = ?", (new.fingerprint,))
        return Outcome.ACCEPTED

    def _is_anothers(self, new: Registration) -> bool:
        """True if the serial tells an XO that is registered, and not with this key."""
        if not new.hardware:
            return False
        owners = self._db.execute(
            "SELECT fingerprint FROM registrations WHERE serial = ? COLLATE NOCASE", (new.serial,)
        ).fetchall()
        return bool(owners) and all(owner["fingerprint"] != new.fingerprint for owner in owners)

    def _upsert(self, table: str, new: Registration) -> None:
        self._db.execute(
            f"INSERT INTO {table} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
            "ON CONFLICT (fingerprint) DO UPDATE SET pubkey = excluded.pubkey, serial = excluded.serial, "
            "hardware = excluded.hardware, uuid = excluded.uuid, nick = excluded.nick, "
            "address = excluded.address, last_at = excluded.last_at",
            (
                new.fingerprint,
                new.key,
                new.pubkey,
                new.serial,
                int(new.hardware),
                new.uuid,
                new.nick,
                new.address,
                new.at,
                new.at,
            ),
        )

    def approve(self, fingerprint: str) -> bool:
        """Accepts a held registration; False if there is none with that fingerprint."""
        with self.transaction():
            row = self._db.execute(f"SELECT {_COLUMNS} FROM held WHERE fingerprint = ?", (fingerprint,)).fetchone()  # noqa: S608
            if row is None:
                return False
            fields = {name: row[name] for name in _COLUMNS.split(", ") if not name.endswith("_at")}
            fields["hardware"] = bool(row["hardware"])
            self.register(Registration(**fields, at=row["last_at"]), KnownSerial.ACCEPT)
            return True

    def forget(self, fingerprint: str) -> bool:
        """Removes an identity; False if there is none with that fingerprint."""
        with self.transaction():
            gone = [
                self._db.execute(f"DELETE FROM {table} WHERE fingerprint = ?", (fingerprint,)).rowcount  # noqa: S608
                for table in ("registrations", "held")
            ]
        return any(gone)

    def registrations(self) -> list[dict[str, Any]]:
        """All identities, accepted and held, the oldest first."""
        rows = self._db.execute(
            f"SELECT 'accepted' AS state, {_COLUMNS} FROM registrations "  # noqa: S608
            f"UNION ALL SELECT 'held', {_COLUMNS} FROM held ORDER BY first_at, fingerprint, state"
        )
        return [{**dict(row), "hardware": bool(row["hardware"])} for row in rows]
