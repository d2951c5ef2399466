# SPDX-License-Identifier: GPL-3.0-or-later
"""Many laptops in one process: does each see exactly the others?"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from sugaroid.errors import SugaroidError
from sugaroid.presence import Presence
from sugaroid.profile import Profile
from sugaroid.xmpp.connection import PORT

ARRIVING_AT_ONCE = 20
_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Crowd:
    """How exact the Neighborhoods of a crowd were."""

    count: int
    online: int
    exact: int
    missing: int
    strangers: int
    login_seconds: float
    settle_seconds: float
    peak_mib: int
    failure: str = ""

    @property
    def ok(self) -> bool:
        """Whether each saw exactly the others."""
        return self.exact == self.count

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"ok": self.ok, **asdict(self)}


async def crowd(
    server: str,
    count: int,
    *,
    seconds: float = 60.0,
    seed: str | None = None,
    address: str | None = None,
    port: int = PORT,
    asks: bool = True,
) -> Crowd:
    """Bring so many on the air, give them so long to see each other, and take their accounts away again."""
    laptops = [Profile.make(None if seed is None else f"{seed}-{number}") for number in range(count)]
    sessions = [Presence(laptop, server, address=address, port=port, asks=asks) for laptop in laptops]
    start = time.monotonic()
    try:
        failures = await _some_at_a_time(sessions, lambda session: session.connect())
        arrived = time.monotonic()
        while time.monotonic() - arrived < seconds and not _settled(sessions):
            await asyncio.sleep(_LOOK_SECONDS)
        settled = time.monotonic()
        return _result(sessions, arrived - start, settled - arrived, failures)
    finally:
        await _some_at_a_time(sessions, _remove)


def _settled(sessions: list[Presence]) -> bool:
    return all(len(session.neighborhood) >= len(sessions) - 1 for session in sessions)


def _result(sessions: list[Presence], login: float, settle: float, failures: list[str]) -> Crowd:
    everybody = {session.jid for session in sessions}
    exact = missing = strangers = 0
    for session in sessions:
        shown = {buddy.jid for buddy in session.neighborhood if buddy.genuine}
        lacking, extra = everybody - shown - {session.jid}, shown - everybody
        missing, strangers = missing + len(lacking), strangers + len(extra)
        exact += not lacking and not extra
    online = sum(session.full_jid != "" and session.lost is None for session in sessions)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    failure = failures[0] if failures else ""
    return Crowd(len(sessions), online, exact, missing, strangers, round(login, 2), round(settle, 2), peak, failure)


async def _remove(session: Presence) -> None:
    if not session.has_account:
        return
    if session.lost is not None:
        await session.connect(register_first=False)
    with contextlib.suppress(SugaroidError):
        await session.remove_account()


async def _some_at_a_time(sessions: list[Presence], act: Callable[[Presence], Awaitable[None]]) -> list[str]:
    """What went wrong, if anything."""
    gate = asyncio.Semaphore(ARRIVING_AT_ONCE)

    async def one(session: Presence) -> str | None:
        async with gate:
            try:
                await act(session)
            except SugaroidError as error:
                return str(error)
        return None

    found = await asyncio.gather(*(one(session) for session in sessions))
    return [failure for failure in found if failure is not None]
