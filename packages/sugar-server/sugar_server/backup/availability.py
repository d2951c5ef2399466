# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a laptop may begin its backup now: as ds-backup's server decided, in its order."""

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


def load_average() -> float:
    """Of the last minute."""
    return os.getloadavg()[0]


@dataclass
class Availability:
    """Decides, and remembers who was let begin."""

    settings: BackupSettings
    is_registered: Callable[[str], bool]
    load: Callable[[], float] = load_average
    used: Callable[[Path], float] = used_share
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    _recent: dict[str, float] = field(default_factory=dict)
    """When each laptop was last let begin, by its serial in lower case."""
    _deciding: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, serial: str) -> Answer:
        """The answer for the laptop with SERIAL, which is counted if it may begin."""
        if not self.settings.enabled:
            return Answer(403, "backups are switched off on this server")
        with self._deciding:
            return self._decide(serial)

    def _decide(self, serial: str) -> Answer:
        reason = self._busy()
        if reason:
            return Answer(503, reason, self._later())
        if not self.is_registered(serial):
            return Answer(403, "no laptop with this serial number is registered")
        self._recent[serial.lower()] = self.clock()
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
        self._recent = {serial: at for serial, at in self._recent.items() if at >= oldest}
        if len(self._recent) > self.settings.most_recent_laptops:
            return "other laptops are being backed up"
        return ""

    def _later(self) -> int:
        """Spread out, so that those who were refused together do not come together again."""
        soonest = max(_SOONEST, self.settings.recent_minutes * 60)
        return round(soonest + self.jitter() * (max(_LATEST, 2 * soonest) - soonest))
