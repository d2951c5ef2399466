# SPDX-License-Identifier: GPL-3.0-or-later
"""The registrations' database: SQLite, where a commit is on the disk before it is acknowledged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from sugar_server.database import Database

NAME = "registrations.db"
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
)
"""
_STEPS = (
    (
        _TABLE.format(name="registrations"),
        "CREATE INDEX registrations_serial ON registrations (lower(serial))",
        # Refused until somebody approves them; the accepted registration of the same key, if any, stays as it is.
        _TABLE.format(name="held"),
    ),
    # 0.1.0 made it in SQLite's own words.
    ("DROP INDEX registrations_serial", "CREATE INDEX registrations_serial ON registrations (lower(serial))"),
)


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
        self._database = Database(folder / NAME, _STEPS)
        self.path = self._database.path
        self.transaction = self._database.transaction
        self.part = self._database.part
        self.close = self._database.close

    def register(self, new: Registration, policy: KnownSerial) -> Outcome:
        """Enters the registration as the policy wants it."""
        if policy is not KnownSerial.ACCEPT and self._is_anothers(new):
            if policy is KnownSerial.HOLD:
                self._upsert("held", new)
                return Outcome.HELD
            return Outcome.REJECTED
        self._upsert("registrations", new)
        self._database.run("DELETE FROM held WHERE fingerprint = ?", new.fingerprint)
        return Outcome.ACCEPTED

    def _is_anothers(self, new: Registration) -> bool:
        """True if the serial tells an XO that is registered, and not with this key."""
        if not new.hardware:
            return False
        owners = self._database.rows(
            "SELECT fingerprint FROM registrations WHERE lower(serial) = ?", new.serial.lower()
        )
        return bool(owners) and all(owner["fingerprint"] != new.fingerprint for owner in owners)

    def _upsert(self, table: str, new: Registration) -> None:
        self._database.run(
            f"INSERT INTO {table} ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
            "ON CONFLICT (fingerprint) DO UPDATE SET pubkey = excluded.pubkey, serial = excluded.serial, "
            "hardware = excluded.hardware, uuid = excluded.uuid, nick = excluded.nick, "
            "address = excluded.address, last_at = excluded.last_at",
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
        )

    def approve(self, fingerprint: str) -> bool:
        """Accepts a held registration, in a transaction of the caller's; False if there is none."""
        found = self._database.rows(f"SELECT {_COLUMNS} FROM held WHERE fingerprint = ?", fingerprint)  # noqa: S608
        if not found:
            return False
        row = found[0]
        fields = {name: row[name] for name in _COLUMNS.split(", ") if not name.endswith("_at")}
        fields["hardware"] = bool(row["hardware"])
        self.register(Registration(**fields, at=row["last_at"]), KnownSerial.ACCEPT)
        return True

    def forget(self, fingerprint: str) -> bool:
        """Removes an identity, in a transaction of the caller's; False if there is none with that fingerprint."""
        gone = [
            self._database.run(f"DELETE FROM {table} WHERE fingerprint = ?", fingerprint)  # noqa: S608
            for table in ("registrations", "held")
        ]
        return any(gone)

    def refuse(self, fingerprint: str) -> bool:
        """Removes a held registration, and leaves an accepted one of the same key; False if there is none."""
        return bool(self._database.run("DELETE FROM held WHERE fingerprint = ?", fingerprint))

    def registrations(self) -> list[dict[str, Any]]:
        """All identities, accepted and held, the oldest first."""
        rows = self._database.rows(
            f"SELECT 'accepted' AS state, {_COLUMNS} FROM registrations "  # noqa: S608
            f"UNION ALL SELECT 'held', {_COLUMNS} FROM held ORDER BY first_at, fingerprint, state"
        )
        return [{**row, "hardware": bool(row["hardware"])} for row in rows]
