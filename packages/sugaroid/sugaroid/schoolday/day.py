# SPDX-License-Identifier: GPL-3.0-or-later
"""A school's day against a presence server, phase by phase, each reckoned up to the last pair."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from sugaroid.errors import InvalidInput, SugaroidError
from sugaroid.profile import Profile
from sugaroid.registration import register
from sugaroid.schoolday.ledger import Faults, Roll
from sugaroid.schoolday.lesson import Lesson
from sugaroid.schoolday.pupil import Pupil
from sugaroid.xmpp.payloads import properties_element

PHASES = ("enrol", "arrive", "rejoin", "introduce", "idle", "lesson", "reconnect", "leave")
AT_ONCE = 50
"""Laptops that are switched on at the same moment; the next one when one of them is through."""
_LOOK_SECONDS = 0.05
_REMOVAL_SECONDS = 300.0


@dataclass(frozen=True)
class Settings:
    """What kind of day."""

    server: str
    count: int
    address: str | None = None
    port: int = 5223
    registration_port: int | None = None
    """Where each registers with the school server before it makes its account; None: nobody does."""
    registered: int = 0
    """Accounts that exist, if more than those who come."""
    seed: str = "1"
    lesson_seconds: float = 20.0
    idle_seconds: float = 10.0
    limit_seconds: float = 300.0
    """For each phase."""
    rest_seconds: float = 10.0
    """A server that has sent nothing for so long has no more to say."""

    @property
    def accounts(self) -> int:
        """How many accounts there are."""
        return max(self.registered, self.count)


@dataclass(frozen=True)
class Phase:
    """How one phase went."""

    name: str
    end: str
    """`exact`; `inexact`: the server came to rest with faults; `unfinished`: the time is over, or
    something failed without which the day cannot go on."""
    seconds: float
    """Until the last stanza arrived that was needed."""
    faults: Faults = field(default_factory=Faults)
    twice: int = 0
    """Presences, roster items and PEP items that only said again what had been said."""
    forged: int = 0
    refused: int = 0
    received_bytes: int = 0
    waits: tuple[float, float] | None = None
    """Seconds, median and 99th percentile: of a message's way in the lesson, else of a login."""
    lost_messages: int = 0
    peak_mib: int = 0
    """This process's own largest resident set."""
    failure: str = ""
    """What ended the day where it was no matter of time, or else why a laptop was refused."""

    @property
    def ok(self) -> bool:
        """Whether each saw all that it should, once, and nothing else."""
        return self.end == "exact" and not (self.twice or self.forged or self.lost_messages)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"ok": self.ok, **asdict(self)}


def quantiles(values: Iterable[float]) -> tuple[float, float] | None:
    """Median and 99th percentile, each a value that occurred (nearest rank)."""
    ranked = sorted(values)
    if not ranked:
        return None
    last = len(ranked) - 1
    return ranked[(len(ranked) + 1) // 2 - 1], ranked[min(last, -(-99 * len(ranked) // 100) - 1)]


class Day:
    """The laptops of a school, and what they go through."""

    def __init__(self, settings: Settings) -> None:
        if not 2 <= settings.count <= settings.accounts <= 10_000:
            raise InvalidInput("a school day is for 2 to 10000 laptops")
        self.settings = settings
        profiles = [Profile.make(f"{settings.seed}-{number}") for number in range(settings.accounts)]
        jids = [f"{profile.account}@{settings.server}" for profile in profiles]
        self.roll = Roll(jids, [_key_text(profile) for profile in profiles])
        address = settings.address or settings.server
        self.pupils = [
            Pupil(profile, number, self.roll, settings.server, address, settings.port)
            for number, profile in enumerate(profiles)
        ]
        self.present = self.pupils[: settings.count]
        self._logins: list[float] = []
        self._acted = 0.0

    async def run(self, before: Callable[[str], Awaitable[None]] | None = None) -> AsyncIterator[Phase]:
        """The day's phases as they end; it ends early where one is not finished in time."""
        _allow_connections(2 * self.settings.accounts)
        for name in PHASES:
            if before is not None:
                await before(name)
            phase = await self._phase(name)
            yield phase
            if phase.end == "unfinished":
                return

    async def end(self, *, keep_accounts: bool = False) -> None:
        """All are switched off; their accounts are removed from the server, as far as it takes part in that."""
        for pupil in self.pupils:
            pupil.drop()
        if not keep_accounts:
            with contextlib.suppress(asyncio.TimeoutError):
                removal = self._all(self.pupils, Pupil.remove_account, AT_ONCE)
                await asyncio.wait_for(removal, _REMOVAL_SECONDS)

    async def _phase(self, name: str) -> Phase:
        before, start = self._counts(), time.monotonic()
        self._logins.clear()
        lesson = Lesson(self.present, self.settings) if name == "lesson" else None
        failure = ""
        act = lesson.run if lesson else getattr(self, f"_{name}")
        try:
            await asyncio.wait_for(self._until_settled(act), self.settings.limit_seconds)
            end, seconds = "", max(self._acted, self._last_heard()) - start
        except asyncio.TimeoutError:
            end, seconds = "unfinished", time.monotonic() - start
        except SugaroidError as error:
            end, seconds, failure = "unfinished", time.monotonic() - start, str(error)
        faults = sum((pupil.sight.faults() for pupil in self._watching()), Faults())
        received, twice, forged, refused = (now - then for now, then in zip(self._counts(), before))
        return Phase(
            name,
            end or ("inexact" if faults.any else "exact"),
            round(seconds, 3),
            faults,
            twice,
            forged,
            refused,
            received,
            quantiles(lesson.waits if lesson else self._logins),
            lesson.lost if lesson else 0,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            failure or (next((pupil.refusal for pupil in self.present if pupil.refusal), "") if refused else ""),
        )

    def _counts(self) -> tuple[int, int, int, int]:
        return (
            sum(pupil.received_bytes for pupil in self.pupils),
            sum(pupil.sight.twice for pupil in self.pupils),
            sum(pupil.sight.forged for pupil in self.pupils),
            sum(pupil.refused for pupil in self.pupils),
        )

    def _last_heard(self) -> float:
        return max(pupil.sight.heard_at for pupil in self.present)

    def _watching(self) -> list[Pupil]:
        return [pupil for pupil in self.present if self.roll.there[pupil.number]]

    async def _until_settled(self, act: Callable[[], Awaitable[None]]) -> None:
        """Act, and wait until all is as it should be, or until nothing comes any more."""
        await act()
        self._acted = time.monotonic()
        unsettled = self._watching()
        while True:
            # Whoever sees all others rightly goes on to do so: only the others are looked at again, then all.
            while unsettled and unsettled[-1].sight.exact():
                unsettled.pop()
            if not unsettled and all(pupil.sight.exact() for pupil in self._watching()):
                return
            if time.monotonic() - max(self._acted, self._last_heard()) > self.settings.rest_seconds:
                return
            unsettled = unsettled or self._watching()
            await asyncio.sleep(_LOOK_SECONDS)

    # The phases

    async def _enrol(self) -> None:
        await self._all(self.pupils, self._sign_up, AT_ONCE)

    async def _sign_up(self, pupil: Pupil) -> None:
        settings, profile = self.settings, pupil.profile
        if settings.registration_port is not None:
            port = settings.registration_port
            await register(profile, settings.server, profile.attempt(), address=settings.address, port=port)
        await pupil.enrol()

    async def _arrive(self) -> None:
        await self._all(self.present, self._come, AT_ONCE)

    async def _rejoin(self) -> None:
        await self._all_at_once(self._come)

    async def _introduce(self) -> None:
        await self._all(self.present, Pupil.introduce, AT_ONCE)

    async def _idle(self) -> None:
        await asyncio.sleep(self.settings.idle_seconds)

    async def _reconnect(self) -> None:
        await self._all_at_once(self._come_back)

    async def _leave(self) -> None:
        await self._all(self.present[::2], Pupil.leave, AT_ONCE)

    async def _come(self, pupil: Pupil) -> None:
        self._logins.append(await pupil.come())

    async def _come_back(self, pupil: Pupil) -> None:
        await self._come(pupil)
        await pupil.introduce()

    async def _all_at_once(self, act: Callable[[Pupil], Awaitable[Any]]) -> None:
        """Reset every connection, and let all act, each as soon as it can."""
        for pupil in self.present:
            pupil.reset()
        await self._all(self.present, act, len(self.present))

    async def _all(self, pupils: list[Pupil], act: Callable[[Pupil], Awaitable[Any]], at_once: int) -> None:
        """Let all act, some at the same time."""
        gate = asyncio.Semaphore(at_once)

        async def one(pupil: Pupil) -> None:
            async with gate:
                await act(pupil)

        await asyncio.gather(*(one(pupil) for pupil in pupils))


def _key_text(profile: Profile) -> str:
    """The key as it stands in the item."""
    element = properties_element({"key": profile.pubkey.encode()})
    return element.partition('type="bytes">')[2].partition("<")[0]


def _allow_connections(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 100
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise InvalidInput(f"so many laptops need {wanted} open files, and this process may have {hard}")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
