# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages ask of the other rooms. A section is shown where its room is given, and is not there otherwise.

All of it is called in threads beside the loop, so it may read disks. An identity is a laptop's fingerprint, SHA256:…;
moments are seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Refused(Exception):
    """The room does not do it; the message says why, and is shown to the teacher."""


@dataclass(frozen=True)
class Snapshot:
    """A laptop's Journal as it was at one backup."""

    name: str
    """Of letters, digits, `-`, `_`, `.` and `:`, as it stands in addresses."""
    at: float


@dataclass(frozen=True)
class Entry:
    """An entry of a Journal."""

    uid: str
    title: str
    activity: str
    """The name of the activity that made it, for people; "" if unknown."""
    at: float
    size: int
    """Of its file, in bytes."""


class Backups(Protocol):
    """The backups of the laptops' Journals."""

    def last(self, identity: str) -> float | None:
        """When the laptop last backed up; None if it never did."""

    def snapshots(self, identity: str) -> Sequence[Snapshot]:
        """The laptop's snapshots, the newest first."""

    def entries(self, identity: str, snapshot: str) -> Sequence[Entry]:
        """The entries in a snapshot, the newest first; none if there is no such snapshot."""

    def address(self, identity: str, snapshot: str, uid: str) -> str:
        """Where on this server an entry can be had as a .xoj; it asks Authorize before it gives it."""

    def adopt(self, identity: str, heir: str) -> None:
        """Has a laptop's backups given to another one, in place of a lost laptop; or raises Refused."""

    def is_adopting(self, identity: str) -> bool:
        """Whether giving another laptop's backups to this one is still under way."""

    def failed_adoption(self, identity: str) -> tuple[float, str] | None:
        """When this laptop last did not get what was meant for it, and why: busy, gone, full or other."""


class Library(Protocol):
    """The activity library."""

    def address(self) -> str:
        """Where on this server people find it."""


@dataclass(frozen=True)
class Plot:
    """A plot of the statistics."""

    title: str
    summary: str
    """What it shows, in words, for who cannot see it."""
    svg: str
    """Inline SVG without style attributes and scripts, its texts escaped."""


class Statistics(Protocol):
    """What the deployment's laptops report of their use."""

    def plots(self, language: str) -> Sequence[Plot]:
        """The plots, in a language (its ISO 639-1 code)."""


@dataclass(frozen=True)
class Service:
    """A service of this server."""

    name: str
    well: bool
    remark: str = ""


class Services(Protocol):
    """The server's other services."""

    def states(self, language: str) -> Sequence[Service]:
        """How each is, named in a language (its ISO 639-1 code)."""


@dataclass(frozen=True)
class LeaseState:
    """Until when a locked laptop starts, as far as this server knows."""

    is_stolen: bool
    until: float | None
    """When its latest lease ends, infinite for one that never does; None if there is none here."""
    delegated_until: float | None
    """Until when this server may renew it; None if it may not."""
    activated: float | None = None
    """When it last got a lease at boot; None if it never did."""


class Leases(Protocol):
    """The leases of locked laptops."""

    def state(self, serial: str) -> LeaseState | None:
        """Of the laptop with this serial number; None if nothing is known of it."""


class Synchronisation(Protocol):
    """The exchange with the deployment's master."""

    def last(self) -> float | None:
        """When it last succeeded; None if it never did."""


@dataclass(frozen=True)
class Providers:
    """The rooms that there are."""

    backups: Backups | None = None
    library: Library | None = None
    statistics: Statistics | None = None
    services: Services | None = None
    leases: Leases | None = None
    synchronisation: Synchronisation | None = None
