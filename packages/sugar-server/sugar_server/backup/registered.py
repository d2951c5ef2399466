# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may bring backups: the registrations, read from the registration's database and never written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sugar_server.backup.homes import identity_of
from sugar_server.database import reading
from sugar_server.registration.identities import Identities, Identity
from sugar_server.registration.store import NAME


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


class Registrations:
    """The registrations below the daemon's state folder, or in PostgreSQL; all raise UnusableDatabase."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def with_serial(self, serial: str) -> list[Registered]:
        """The laptops that registered with SERIAL, those whose latest it was first; usually one."""
        with reading(self._path) as reader:
            return [Registered.of(identity) for identity in Identities(reader).by_serial(serial)]

    def all(self) -> list[Registered]:
        """Every laptop, the one that registered last first."""
        with reading(self._path) as reader:
            identities = Identities(reader)
            rows = reader.rows("SELECT fingerprint FROM registrations ORDER BY last_at DESC")
            found = [identities.by_fingerprint(row["fingerprint"]) for row in rows]
            return [Registered.of(identity) for identity in found if identity is not None]
