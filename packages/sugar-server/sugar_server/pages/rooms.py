# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's rooms as the pages ask for them: only those that are switched on."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable
from urllib.parse import quote

from sugar_server.antitheft.room import OutOfOrder
from sugar_server.antitheft.room import Room as Antitheft
from sugar_server.antitheft.store import FOR_EVER, Kept
from sugar_server.backup import adoptions, entries, failures, snapshots
from sugar_server.backup.homes import Home, Homes, identity_of
from sugar_server.config import Config
from sugar_server.database import UnusableDatabase
from sugar_server.pages.figures import Figures, short_name
from sugar_server.pages.languages import language
from sugar_server.pages.providers import Entry, LeaseState, Providers, Service, Snapshot
from sugar_server.registration.store import Store
from sugar_server.statistics.store import Store as StatisticsStore
from sugar_server.writer import Writer

_SECONDS_TO_ANSWER = 5
_log = logging.getLogger(__name__)


def providers(
    config: Config,
    state: Path,
    registrations: Writer[Store],
    statistics: Writer[StatisticsStore],
    clock: Callable[[], float],
    antitheft: Antitheft | OutOfOrder | None = None,
) -> Providers:
    """The rooms of this daemon."""
    return Providers(
        backups=Backups(Homes(Path(config.backup.folder)), state) if config.backup.enabled else None,
        library=Library() if config.library.enabled else None,
        statistics=Figures(statistics, clock) if config.statistics.enabled else None,
        services=Services(registrations, statistics if config.statistics.enabled else None),
        leases=Leases(antitheft) if isinstance(antitheft, Antitheft) else None,
    )


@dataclass(frozen=True)
class Backups:
    """The homes of the laptops' keys, which the daemon only reads."""

    homes: Homes
    state: Path

    def last(self, identity: str) -> float | None:
        names = snapshots.names(self._home(identity))
        return snapshots.moment(names[-1]).timestamp() if names else None

    def snapshots(self, identity: str) -> Sequence[Snapshot]:
        names = snapshots.names(self._home(identity))
        return [Snapshot(name, snapshots.moment(name).timestamp()) for name in reversed(names)]

    def entries(self, identity: str, snapshot: str) -> Sequence[Entry]:
        home = self._home(identity)
        if snapshot not in snapshots.names(home):
            return ()
        try:
            return [_shown(entry) for entry in entries.listed(home.path / snapshot)]
        except FileNotFoundError:  # purged meanwhile
            return ()

    def address(self, identity: str, snapshot: str, uid: str) -> str:
        return "/ds-restore/" + "/".join(quote(part, safe="") for part in (identity_of(identity), snapshot, uid))

    def adopt(self, identity: str, heir: str) -> None:
        adoptions.ask(self.state, identity_of(identity), identity_of(heir))

    def is_adopting(self, identity: str) -> bool:
        return any(heir == identity_of(identity) for _, heir in adoptions.asked(self.state))

    def failed_adoption(self, identity: str) -> tuple[float, str] | None:
        return failures.noted(self.homes.folder, identity_of(identity))

    def _home(self, identity: str) -> Home:
        return self.homes.of(identity_of(identity))


def _shown(entry: entries.Entry) -> Entry:
    return Entry(
        uid=entry.uid,
        title=str(entry.metadata.get("title", "")),
        activity=short_name(str(entry.metadata.get("activity", ""))),
        at=entry.time,
        size=_size(entry),
    )


def _size(entry: entries.Entry) -> int:
    """Of the entry's file in bytes: as Sugar noted it, or as it is; 0 where there is none."""
    noted = str(entry.metadata.get("filesize", ""))
    if noted.isascii() and noted.isdigit() and len(noted) < 16:
        return int(noted)
    with entry.open() as file:
        return os.fstat(file.fileno()).st_size if file else 0


@dataclass(frozen=True)
class Library:
    """The activity library."""

    def address(self) -> str:
        return "/activities/"


@dataclass(frozen=True)
class Leases:
    """The leases that this server has issued or was brought, and what it gave at boot."""

    room: Antitheft

    def state(self, serial: str) -> LeaseState | None:
        serial = serial.upper()
        try:
            found = self.room.writer.submit(lambda store: store.standing(serial)).result(_SECONDS_TO_ANSWER)
        except (UnusableDatabase, TooLate) as error:
            # The rest of the laptop's page is there all the same.
            _log.error("What lease %s has cannot be told: %s", serial, error or "the database is busy")
            return None
        if not found.is_known:
            return None
        found, activated = self.room.with_note(found)
        return LeaseState(found.is_stolen, _end(found.latest), _end(found.delegation), activated)


def _end(kept: Kept | None) -> float | None:
    if kept is None:
        return None
    return math.inf if kept.ends == FOR_EVER else float(kept.ends)


@dataclass(frozen=True)
class Services:
    """What the daemon knows by itself. It has no network: how Prosody and the backups' service are, it cannot see."""

    registrations: Writer[Store]
    statistics: Writer[StatisticsStore] | None

    def states(self, code: str) -> Sequence[Service]:
        _ = language(code).gettext
        states = [Service(_("Registration"), _writes(self.registrations))]
        if self.statistics is not None:
            states.append(Service(_("Statistics"), _writes(self.statistics)))
        return states


def _writes(writer: Writer[Any]) -> bool:
    """Whether a transaction on the writer's database comes to its end."""
    try:
        writer.submit(lambda _: None).result(_SECONDS_TO_ANSWER)
    except TooLate:
        return False
    except Exception as error:
        _log.error("A database takes nothing: %s", error)
        return False
    return True
