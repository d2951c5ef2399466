# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the clock may be right. With a wrong one no lease is issued: one from the past locks its laptop for good,
one from the future stays valid for longer than anybody meant.

The clock may have stopped while the server was off, and a dead battery sets it to anything. So it is held against
the time when it was last found right, which is kept on the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sugar_server.antitheft.store import Store
from sugar_server.writer import Writer

_DAY_SECONDS = 24 * 3600
EARLIEST = 1767225600
"""1 January 2026, in the year when this was written."""
BACK_SECONDS = _DAY_SECONDS
"""It may go back by so much, as when it is corrected."""
AHEAD_SECONDS = 400 * _DAY_SECONDS
"""A server may be off for the longest holidays."""
_LATEST_AT_FIRST = EARLIEST + 20 * 366 * _DAY_SECONDS
_TOLD_EVERY_SECONDS = 60.0
_NOTED_EVERY_SECONDS = 3600
_REMEDY = "Set it, or if it is right: sugar-server accept-clock"
_log = logging.getLogger(__name__)


def problem(now: float, last_good: int | None) -> str:
    """What is wrong with a clock that says NOW, for people; empty if it may be right."""
    if now < EARLIEST:
        return f"the clock says {_day(now)}, which is past: laptops get no new leases. Set it"
    if last_good is None:
        return "" if now < _LATEST_AT_FIRST else f"the clock says {_day(now)}: laptops get no new leases. Set it"
    if now < last_good - BACK_SECONDS:
        return f"the clock went back from {_day(last_good)} to {_day(now)}: laptops get no new leases. {_REMEDY}"
    if now > last_good + AHEAD_SECONDS:
        return f"the clock leapt from {_day(last_good)} to {_day(now)}: laptops get no new leases. {_REMEDY}"
    return ""


def _day(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f} seconds after 1970"


class Watch:
    """Looks at the clock every minute, keeps every hour that it was right, and tells when it is not."""

    def __init__(self, writer: Writer[Store], clock: Callable[[], float] = time.time) -> None:
        self._writer, self._clock = writer, clock
        self._ending = threading.Event()
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    @property
    def problems(self) -> list[str]:
        """Of the latest look."""
        return [self._problem] if self._problem else []

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Looks once."""
        now = int(self._clock())
        try:
            found = self._writer.submit(lambda store: _look(store, now)).result()
        except Exception as error:
            found = f"the time cannot be kept: {error}"
        if found and found != self._problem:
            _log.error("%s", found[0].upper() + found[1:])
        self._problem = found

    def _run(self) -> None:
        self.look()
        while not self._ending.wait(_TOLD_EVERY_SECONDS):
            self.look()


def _look(store: Store, now: int) -> str:
    before = store.last_good()
    found = problem(now, before)
    if not found and (before is None or now >= before + _NOTED_EVERY_SECONDS):
        store.note_time(now)
    return found
