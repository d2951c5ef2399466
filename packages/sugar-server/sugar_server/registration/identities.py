# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is registered: an identity is a child's key, with the keys linked to it and the serials it has had."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sugar_server.database import Reader
from sugar_server.registration.tables import COLUMNS

_UID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Identity:
    """An accepted registration. What belongs to it is kept under its fingerprint, never under a serial."""

    fingerprint: str
    serial: str
    """Of the latest registration: the account's name. Others may have it, too."""
    serials: tuple[str, ...]
    """All that it has had, the latest first; a laptop whose last attempt failed comes with an earlier one."""
    keys: tuple[str, ...]
    """As lines of authorized_keys without comment; the registered one first, then those linked to it."""
    linked: tuple[str, ...]
    """Fingerprints of the linked keys. What was kept under one of them before they were linked belongs to it, too."""
    pubkey: str
    """As Sugar sent it: its SHA-1 is the XMPP name."""
    hardware: bool
    uuid: str | None
    nick: str
    group: str | None
    first_at: str
    last_at: str
    """UTC, as 2026-01-31T12:00:00Z."""

    @property
    def uid(self) -> str:
        return uid_of(self.fingerprint)


def fingerprint_of(blob: bytes) -> str:
    """A key's fingerprint as OpenSSH prints it: SHA256:…"""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def uid_of(fingerprint: str) -> str:
    """A fingerprint for URLs: the same SHA-256 in 64 hexadecimal digits."""
    return base64.b64decode(fingerprint[len("SHA256:") :] + "=").hex()


def fingerprint_of_uid(uid: str) -> str | None:
    """The fingerprint in a UID, or None where it is none."""
    if not _UID.fullmatch(uid):
        return None
    return "SHA256:" + base64.b64encode(binascii.unhexlify(uid)).decode().rstrip("=")


class Identities:
    """Reads identities from the registrations' database."""

    def __init__(self, database: Reader) -> None:
        self._database = database

    def by_fingerprint(self, fingerprint: str) -> Identity | None:
        """Whose key this is, be it registered or linked."""
        rows = self._database.rows(
            f"SELECT {COLUMNS} FROM registrations WHERE fingerprint = ? "  # noqa: S608
            "OR fingerprint = (SELECT identity FROM linked_keys WHERE fingerprint = ?)",
            fingerprint,
            fingerprint,
        )
        return self._identity(rows[0]) if rows else None

    def by_serial(self, serial: str) -> list[Identity]:
        """Who registered with this serial: those whose it is now before those who had it, the latest first.

        Several children may have one serial: a reflashed or handed-on laptop, boards without a serial.
        """
        rows = self._database.rows(
            f"SELECT {COLUMNS}, CASE WHEN lower(serial) = ? THEN 0 ELSE 1 END AS former "  # noqa: S608
            "FROM registrations WHERE fingerprint IN (SELECT fingerprint FROM serials WHERE lower(serial) = ?) "
            "ORDER BY former, last_at DESC, fingerprint",
            serial.lower(),
            serial.lower(),
        )
        return [self._identity(row) for row in rows]

    def authorized(self, serial: str, blob: bytes) -> Identity | None:
        """Who logs in to the account SERIAL with this key (the decoded blob), if anyone may."""
        identity = self.by_fingerprint(fingerprint_of(blob))
        if identity is None or serial.lower() not in {each.lower() for each in identity.serials}:
            return None
        return identity

    def groups(self) -> dict[str, list[str]]:
        """By group, the public keys of its children, as Sugar sent them or would send them."""
        found: dict[str, list[str]] = {}
        for group, pubkey in self._pubkeys():
            if group is not None:
                found.setdefault(group, []).append(pubkey)
        return {group: sorted(found[group]) for group in sorted(found)}

    def has_account(self, account: str) -> bool:
        """Whether a laptop with this XMPP account is registered: Sugar names it by the SHA-1 of the public key.

        A key that is linked to a registered one will do.
        """
        accounts = {hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest() for _, key in self._pubkeys()}
        return account in accounts

    def _pubkeys(self) -> Iterator[tuple[str | None, str]]:
        """All keys, registered and linked, with their groups. A linked one is kept with its type before it."""
        for row in self._database.rows("SELECT class_group, pubkey FROM registrations"):
            yield row["class_group"], row["pubkey"]
        for row in self._database.rows(
            "SELECT class_group, linked_keys.key AS line FROM linked_keys "
            "JOIN registrations ON registrations.fingerprint = linked_keys.identity"
        ):
            yield row["class_group"], row["line"].partition(" ")[2]

    def _identity(self, row: dict[str, Any]) -> Identity:
        fingerprint = row["fingerprint"]
        linked = self._database.rows(
            "SELECT fingerprint, key FROM linked_keys WHERE identity = ? ORDER BY first_at, fingerprint", fingerprint
        )
        serials = self._database.rows(
            "SELECT serial FROM serials WHERE fingerprint = ? AND serial <> ? ORDER BY last_at DESC, serial",
            fingerprint,
            row["serial"],
        )
        return Identity(
            fingerprint=fingerprint,
            serial=row["serial"],
            serials=(row["serial"], *(each["serial"] for each in serials)),
            keys=(row["key"], *(each["key"] for each in linked)),
            linked=tuple(each["fingerprint"] for each in linked),
            pubkey=row["pubkey"],
            hardware=bool(row["hardware"]),
            uuid=row["uuid"],
            nick=row["nick"],
            group=row["class_group"],
            first_at=row["first_at"],
            last_at=row["last_at"],
        )
