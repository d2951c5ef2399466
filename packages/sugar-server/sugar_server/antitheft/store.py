# SPDX-License-Identifier: GPL-3.0-or-later
"""What this server knows of the laptops' leases. Moments are Unix seconds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_server.database import Database, Reader

NAME = "antitheft.db"
FOR_EVER = 2**62
"""The end of what never expires."""
STEPS = (
    (
        # Made by the deployment. `ends` is when the record expires.
        "CREATE TABLE leases (serial TEXT PRIMARY KEY, line TEXT NOT NULL, ends INTEGER NOT NULL)",
        # To the key of this server that `keyid` (hexadecimal) names.
        "CREATE TABLE delegations "
        "(serial TEXT PRIMARY KEY, line TEXT NOT NULL, ends INTEGER NOT NULL, keyid TEXT NOT NULL)",
        # The latest lease that this server issued itself.
        "CREATE TABLE issued "
        "(serial TEXT PRIMARY KEY, line TEXT NOT NULL, ends INTEGER NOT NULL, at INTEGER NOT NULL)",
        "CREATE TABLE stolen (serial TEXT PRIMARY KEY, since INTEGER NOT NULL)",
        # Each mark that was ever set or taken away, for whoever has to answer for it.
        "CREATE TABLE marks (at INTEGER NOT NULL, serial TEXT NOT NULL, deed TEXT NOT NULL)",
        # One row: when the clock was last found right.
        "CREATE TABLE clock (one INTEGER PRIMARY KEY, last_good INTEGER NOT NULL)",
    ),
)


@dataclass(frozen=True)
class Kept:
    """A record's line, with its LF, and when it expires."""

    serial: str
    line: str
    ends: int


@dataclass(frozen=True)
class Standing:
    """What there is of one laptop."""

    serial: str
    is_stolen: bool = False
    lease: Kept | None = None
    """The deployment's own."""
    delegation: Kept | None = None
    keyid: str = ""
    """Of the key that is delegated to."""
    issued: Kept | None = None
    """By this server."""

    @property
    def is_known(self) -> bool:
        return self.is_stolen or any((self.lease, self.delegation, self.issued))

    @property
    def latest(self) -> Kept | None:
        """The lease that ends last."""
        return max((one for one in (self.lease, self.issued) if one), key=lambda one: one.ends, default=None)


def standing(reader: Reader, serial: str) -> Standing:
    """What there is of a laptop, in whatever may read the tables."""
    delegated = reader.rows("SELECT keyid FROM delegations WHERE serial = ?", serial)
    return Standing(
        serial,
        bool(reader.rows("SELECT 1 AS one FROM stolen WHERE serial = ?", serial)),
        _kept(reader, "leases", serial),
        _kept(reader, "delegations", serial),
        delegated[0]["keyid"] if delegated else "",
        _kept(reader, "issued", serial),
    )


def last_good(reader: Reader) -> int | None:
    """When the clock was last found right; None if it never was."""
    found = reader.rows("SELECT last_good FROM clock")
    return int(found[0]["last_good"]) if found else None


def _kept(reader: Reader, table: str, serial: str) -> Kept | None:
    # The tables are named in this module alone.
    found = reader.rows(f"SELECT line, ends FROM {table} WHERE serial = ?", serial)  # noqa: S608
    return Kept(serial, found[0]["line"], found[0]["ends"]) if found else None


class Store:
    """One connection to the tables, for use by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / NAME, STEPS)
        # For nobody else, whatever the umask is: who is on it could be blackmailed, and what it holds could be sold.
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                (folder / f"{NAME}{suffix}").chmod(0o600)
        self.transaction = self._database.transaction
        self.part = self._database.part
        self.close = self._database.close

    def standing(self, serial: str) -> Standing:
        return standing(self._database, serial)

    def standings(self) -> list[Standing]:
        """All laptops, by serial number."""
        found = self._database.rows(
            "SELECT serial FROM leases UNION SELECT serial FROM delegations UNION SELECT serial FROM stolen "
            "UNION SELECT serial FROM issued ORDER BY serial"
        )
        return [self.standing(row["serial"]) for row in found]

    def take_leases(self, leases: Iterable[Kept]) -> int:
        """Takes the deployment's leases, of each laptop the one that ends last; tells how many were news."""
        return sum(
            self._database.run(
                "INSERT INTO leases (serial, line, ends) VALUES (?, ?, ?) ON CONFLICT (serial) DO UPDATE "
                "SET line = excluded.line, ends = excluded.ends WHERE excluded.ends > leases.ends",
                lease.serial,
                lease.line,
                lease.ends,
            )
            for lease in leases
        )

    def take_delegations(self, delegations: Iterable[Kept], keyid: str) -> int:
        """Takes delegations to this server's key; what was for another key is worth nothing any more."""
        return sum(
            self._database.run(
                "INSERT INTO delegations (serial, line, ends, keyid) VALUES (?, ?, ?, ?) ON CONFLICT (serial) "
                "DO UPDATE SET line = excluded.line, ends = excluded.ends, keyid = excluded.keyid "
                "WHERE excluded.ends > delegations.ends OR excluded.keyid <> delegations.keyid",
                one.serial,
                one.line,
                one.ends,
                keyid,
            )
            for one in delegations
        )

    def keep_issued(self, lease: Kept, at: int) -> None:
        """Keeps a lease of this server's own."""
        self._database.run(
            "INSERT INTO issued (serial, line, ends, at) VALUES (?, ?, ?, ?) ON CONFLICT (serial) DO UPDATE "
            "SET line = excluded.line, ends = excluded.ends, at = excluded.at WHERE excluded.ends > issued.ends",
            lease.serial,
            lease.line,
            lease.ends,
            at,
        )

    def set_stolen(self, serials: Iterable[str], at: int) -> tuple[Sequence[str], Sequence[str]]:
        """Makes the list of stolen laptops this one; tells who came onto it, and who left it."""
        wanted = set(serials)
        there = {row["serial"] for row in self._database.rows("SELECT serial FROM stolen")}
        added, removed = sorted(wanted - there), sorted(there - wanted)
        for serial in added:
            self._database.run("INSERT INTO stolen (serial, since) VALUES (?, ?)", serial, at)
        for serial in removed:
            self._database.run("DELETE FROM stolen WHERE serial = ?", serial)
        for deed, several in (("stolen", added), ("found", removed)):
            for serial in several:
                self._database.run("INSERT INTO marks (at, serial, deed) VALUES (?, ?, ?)", at, serial, deed)
        return added, removed

    def last_good(self) -> int | None:
        return last_good(self._database)

    def note_time(self, now: int) -> None:
        """Keeps NOW as the time when the clock was last right, be it later or earlier than what was kept."""
        self._database.run(
            "INSERT INTO clock (one, last_good) VALUES (1, ?) "
            "ON CONFLICT (one) DO UPDATE SET last_good = excluded.last_good",
            now,
        )
