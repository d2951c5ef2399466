# SPDX-License-Identifier: GPL-3.0-or-later
"""The registrations' database: a commit is on the disk before it is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from sugar_server.database import Database
from sugar_server.registration.identities import Identities, Identity
from sugar_server.registration.links import Links
from sugar_server.registration.tables import COLUMNS, NAME, STEPS

__all__ = ["NAME", "Identity", "KnownSerial", "Outcome", "Registration", "Store"]

_MOST_SERIALS = 20
"""That are remembered of one identity: machines without a serial make up a new one each time."""


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
    ANOTHERS = "another's"
    """The key is linked to another identity than the one it says."""


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
    class_group: str | None = None
    """The child's class; None leaves it as it is."""


class Store:
    """One connection to the database, for use by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / NAME, STEPS)
        self._links = Links(self._database)
        self.path = self._database.path
        self.transaction = self._database.transaction
        self.part = self._database.part
        self.close = self._database.close
        identities = Identities(self._database)
        self.by_serial = identities.by_serial
        self.by_fingerprint = identities.by_fingerprint
        self.authorized = identities.authorized
        self.groups = identities.groups
        self.has_account = identities.has_account

    def register(self, new: Registration, policy: KnownSerial) -> Outcome:
        """Enters the registration as the policy wants it."""
        identity = self._links.identity_of(new.fingerprint)
        return self._enter(new if identity is None else self._as(identity, new), policy)

    def register_linked(self, new: Registration, client: Registration, policy: KnownSerial) -> Outcome:
        """Enters a registration, and CLIENT's key as one more of the same identity; both keys are proved."""
        elsewhere = self._links.identity_of(client.fingerprint) not in {None, new.fingerprint}
        if elsewhere or self._links.identity_of(new.fingerprint) is not None:
            return Outcome.ANOTHERS
        outcome = self._enter(self._as(new.fingerprint, new), policy, client.fingerprint)
        if outcome is Outcome.ACCEPTED:
            self._links.link(client.fingerprint, client.key, new.fingerprint, client.at)
        return outcome

    def _as(self, identity: str, new: Registration) -> Registration:
        """The registration with the key that the identity has already: its XMPP name stays."""
        for row in self._database.rows("SELECT key, pubkey FROM registrations WHERE fingerprint = ?", identity):
            return replace(new, fingerprint=identity, key=row["key"], pubkey=row["pubkey"])
        return new

    def _enter(self, new: Registration, policy: KnownSerial, *own: str) -> Outcome:
        if policy is not KnownSerial.ACCEPT and self._is_anothers(new, {new.fingerprint, *own}):
            if policy is KnownSerial.HOLD:
                self._upsert("held", new)
                return Outcome.HELD
            return Outcome.REJECTED
        self._upsert("registrations", new)
        self._database.run("DELETE FROM held WHERE fingerprint = ?", new.fingerprint)
        self._remember_serial(new)
        return Outcome.ACCEPTED

    def _is_anothers(self, new: Registration, own: set[str]) -> bool:
        """True if the serial tells an XO that is registered, and not with one of OWN fingerprints."""
        if not new.hardware:
            return False
        owners = self._database.rows(
            "SELECT fingerprint FROM registrations WHERE lower(serial) = ?", new.serial.lower()
        )
        return bool(owners) and all(owner["fingerprint"] not in own for owner in owners)

    def _upsert(self, table: str, new: Registration) -> None:
        self._database.run(
            f"INSERT INTO {table} ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
            "ON CONFLICT (fingerprint) DO UPDATE SET pubkey = excluded.pubkey, serial = excluded.serial, "
            "hardware = excluded.hardware, uuid = excluded.uuid, nick = excluded.nick, "
            "address = excluded.address, last_at = excluded.last_at, "
            f"class_group = COALESCE(excluded.class_group, {table}.class_group)",
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
            new.class_group,
        )

    def _remember_serial(self, new: Registration) -> None:
        self._database.run(
            "INSERT INTO serials (fingerprint, serial, last_at) VALUES (?, ?, ?) "
            "ON CONFLICT (fingerprint, serial) DO UPDATE SET last_at = excluded.last_at",
            new.fingerprint,
            new.serial,
            new.at,
        )
        # The latest one stays whatever the clock says.
        self._database.run(
            "DELETE FROM serials WHERE fingerprint = ? AND serial <> ? AND serial NOT IN "
            "(SELECT serial FROM serials WHERE fingerprint = ? ORDER BY last_at DESC, serial LIMIT ?)",
            new.fingerprint,
            new.serial,
            new.fingerprint,
            _MOST_SERIALS,
        )

    def import_older(self, old: Registration) -> bool:
        """Takes a registration over from elsewhere, unless the same key registered here since; False then."""
        with self.transaction():
            identity = self._links.identity_of(old.fingerprint) or old.fingerprint
            if self._database.rows(
                "SELECT 1 FROM registrations WHERE fingerprint = ? AND last_at >= ?", identity, old.at
            ):
                return False
            self._enter(old if identity == old.fingerprint else self._as(identity, old), KnownSerial.ACCEPT)
            return True

    def assign_groups(self, groups: Mapping[str, str]) -> None:
        """Enters the classes of a list, by serial in upper case; who is not in it keeps the class that it has."""
        for table in ("registrations", "held"):  # the only names that the statements are made with
            for row in self._database.rows(f"SELECT fingerprint, serial, class_group FROM {table}"):  # noqa: S608
                group = groups.get(row["serial"].upper())
                if group is not None and group != row["class_group"]:
                    self._database.run(
                        f"UPDATE {table} SET class_group = ? WHERE fingerprint = ?",  # noqa: S608
                        group,
                        row["fingerprint"],
                    )

    def approve(self, fingerprint: str) -> bool:
        """Accepts a held registration, in a transaction of the caller's; False if there is none."""
        found = self._database.rows(f"SELECT {COLUMNS} FROM held WHERE fingerprint = ?", fingerprint)  # noqa: S608
        if not found:
            return False
        row = found[0]
        fields = {name: row[name] for name in COLUMNS.split(", ") if not name.endswith("_at")}
        fields["hardware"] = bool(row["hardware"])
        self.register(Registration(**fields, at=row["last_at"]), KnownSerial.ACCEPT)
        return True

    def forget(self, fingerprint: str) -> bool:
        """Removes an identity with its linked keys, or a linked key alone, in a transaction of the caller's.

        False if there is no such key.
        """
        gone = [
            self._database.run(f"DELETE FROM {table} WHERE fingerprint = ?", fingerprint)  # noqa: S608
            for table in ("registrations", "held")
        ]
        self._database.run("DELETE FROM serials WHERE fingerprint = ?", fingerprint)
        gone.append(self._links.forget(fingerprint))
        return any(gone)

    def refuse(self, fingerprint: str) -> bool:
        """Removes a held registration, and leaves an accepted one of the same key; False if there is none."""
        return bool(self._database.run("DELETE FROM held WHERE fingerprint = ?", fingerprint))

    def registrations(self) -> list[dict[str, Any]]:
        """All identities, accepted and held, the oldest first."""
        rows = self._database.rows(
            f"SELECT 'accepted' AS state, {COLUMNS} FROM registrations "  # noqa: S608
            f"UNION ALL SELECT 'held', {COLUMNS} FROM held ORDER BY first_at, fingerprint, state"
        )
        return [{**row, "hardware": bool(row["hardware"])} for row in rows]
