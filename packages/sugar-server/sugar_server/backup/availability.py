# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a laptop may begin its backup now: as ds-backup's server decided, in its order.

Of those that were let begin, the ones that have come to their end no longer count: else a school of a thousand, each
of which takes a second, would need longer than a school day.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sugar_server.backup.room import used_share
from sugar_server.backup.settings import BackupSettings

_SOONEST, _LATEST = 60, 1800
"""Seconds after which a laptop of today asks again, between its first and its later attempts at least and most."""


@dataclass(frozen=True)
class Answer:
    """What the laptop is told."""

    status: int
    reason: str = ""
    retry_after_seconds: int = 0


@dataclass(frozen=True)
class _Begun:
    """A laptop that was let begin: its serial as it says it, when, and when its last backup was complete."""

    serial: str
    at: float
    snapshot_at: float


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


def snapshot_at(folder: Path, serial: str) -> float:
    """When a laptop's last backup was complete, in seconds since 1970; 0 if none was."""
    try:
        return (folder / "users" / serial / "datastore-latest").lstat().st_mtime
    except OSError:
        return 0.0


@dataclass
class Availability:
    """Decides, and remembers who was let begin."""

    settings: BackupSettings
    is_registered: Callable[[str], bool]
    load: Callable[[], float] = load_average
    used: Callable[[Path], float] = used_share
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    snapshot_at: Callable[[Path, str], float] = snapshot_at
    _recent: dict[str, _Begun] = field(default_factory=dict)
    """The laptops that were let begin, by their serial in lower case."""
    _deciding: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, serial: str) -> Answer:
        """The answer for the laptop with SERIAL, which is counted if it may begin."""
        if not self.settings.enabled:
            return Answer(403, "backups are switched off on this server")
        with self._deciding:
            reason = self._busy()
        if reason:
            return Answer(503, reason, self._later())
        # The database is asked outside: on a slow disk nobody else waits for it.
        if not self.is_registered(serial):
            return Answer(403, "no laptop with this serial number is registered")
        with self._deciding:
            self._recent[serial.lower()] = _Begun(serial, self.clock(), self._snapshot_at(serial))
        return Answer(200)

    def _busy(self) -> str:
        try:
            load, used = self.load(), self.used(Path(self.settings.folder))
        except OSError as error:
            return f"the server cannot be examined ({error.strerror})"
        if load > self.settings.most_load:
            return "the server has much to do"
        if used * 100 > self.settings.most_used_percent:
            return "the server's disk is nearly full"
        oldest = self.clock() - self.settings.recent_minutes * 60
        self._recent = {serial: each for serial, each in self._recent.items() if each.at >= oldest}
        if len(self._recent) > self.settings.most_recent_laptops:
            self._leave_out_finished()
        if len(self._recent) > self.settings.most_recent_laptops:
            return "other laptops are being backed up"
        return ""

    def _leave_out_finished(self) -> None:
        # Another snapshot than before, and not a later one: the clock may be set meanwhile.
        self._recent = {
            serial: each
            for serial, each in self._recent.items()
            if self._snapshot_at(each.serial) == each.snapshot_at
        }

    def _snapshot_at(self, serial: str) -> float:
        return self.snapshot_at(Path(self.settings.folder), serial)

    def _later(self) -> int:
        """Spread out, so that those who were refused together do not come together again."""
        soonest = max(_SOONEST, self.settings.recent_minutes * 60)
        return round(soonest + self.jitter() * (max(_LATEST, 2 * soonest) - soonest))
