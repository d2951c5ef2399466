# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the day before, in which all but the new laptops register and bring their Journals, and then the morning.

A laptop does one thing after the other; laptops do not wait for each other but where this machine bounds them: so
many transfers at once, and so many requests. How long they waited for that is part of their time, and told.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from collections.abc import Awaitable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sugaroid.background import in_background
from sugaroid.checks.options import resolve
from sugaroid.checks.report import Identity
from sugaroid.load.figures import Figures, Outcome
from sugaroid.load.laptop import Laptop
from sugaroid.load.options import LoadOptions
from sugaroid.load.plan import Planned, plan

WAITS_SECONDS = tuple(60 * 2**number for number in range(1, 7))
"""Of school time: how long ds-backup waits each time that the server says later."""
_REQUESTS = 200
_REQUEST_SECONDS = 90.0
_TRANSFER_SECONDS = 900.0
_MAKE_SECONDS = 600.0
_MAKING = 4
"""Journals made at once: the processor does not make them faster."""


@dataclass
class LoadReport:
    """What was done, also where the run was interrupted."""

    seed: str
    laptops: int
    day_before: Figures = field(default_factory=Figures)
    morning: Figures = field(default_factory=Figures)
    identities: list[Identity] = field(default_factory=list)
    """Those that the server may have registered: they stay until somebody removes them there."""
    day_before_seconds: float = 0.0
    morning_seconds: float = 0.0
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything was done, and something was."""
        prepared = self.day_before.ok or not self.day_before.of
        return prepared and self.morning.ok and not self.interrupted

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "ok": self.ok,
            "interrupted": self.interrupted,
            "seed": self.seed,
            "laptops": self.laptops,
            "day_before": {"seconds": round(self.day_before_seconds, 1), "figures": self.day_before.as_dict()},
            "morning": {"seconds": round(self.morning_seconds, 1), "figures": self.morning.as_dict()},
            "identities": [vars(one) for one in self.identities],
        }


async def load(options: LoadOptions, report: LoadReport) -> None:
    """All of it, told in the report as it goes; InvalidInput before anything is sent."""
    options.validate()
    address = options.address or await in_background(lambda: resolve(options.server), 15.0)
    planned = plan(options.laptops, options.seed, options.minutes, options.services)
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sugaroid-load-")))
        await _Run(options, report, address, folder).all(planned)


class _Run:
    def __init__(self, options: LoadOptions, report: LoadReport, address: str, folder: Path) -> None:
        self._options, self._report, self._address, self._folder = options, report, address, folder
        self._transfer, self._request = asyncio.Semaphore(options.at_once), asyncio.Semaphore(_REQUESTS)
        self._making = asyncio.Semaphore(_MAKING)
        self._begun = 0.0

    async def all(self, planned: Iterable[Planned]) -> None:
        report = self._report
        laptops = [Laptop(one, self._options, self._address, self._folder) for one in planned]
        began = time.monotonic()
        try:
            await _together(self._day_before(laptop) for laptop in laptops)
        finally:
            report.day_before_seconds = time.monotonic() - began
            began = self._begun = time.monotonic()
        try:
            await _together(self._morning(laptop) for laptop in laptops)
        finally:
            report.morning_seconds = time.monotonic() - began

    async def _day_before(self, laptop: Laptop) -> None:
        async with self._making:
            await in_background(laptop.make, _MAKE_SECONDS)
        if laptop.planned.new:
            return
        figures = self._report.day_before
        if await self._register(figures, laptop) and self._options.transfers:
            await figures.measure("first backup", self._transfer, laptop.bring, _TRANSFER_SECONDS)

    async def _register(self, figures: Figures, laptop: Laptop) -> bool:
        profile, serial = laptop.profile, laptop.hardware.serial
        jid = f"{profile.account}@{self._options.server}"
        self._report.identities.append(Identity(serial, profile.keys.fingerprint, jid))
        done = await figures.measure("registration", self._request, laptop.register, _REQUEST_SECONDS)
        laptop.registered = done is Outcome.DONE
        return laptop.registered

    async def _morning(self, laptop: Laptop) -> None:
        for deed in laptop.planned.deeds:
            await self._until(deed.at)
            await self._do(deed.name, laptop)

    async def _do(self, name: str, laptop: Laptop) -> None:
        figures = self._report.morning
        if name == "registration":
            await self._register(figures, laptop)
        elif name in ("statistics", "backup", "restore") and not laptop.registered:
            figures.fail(name, "the laptop is not registered")
        elif name == "backup":
            await self._back_up(laptop)
        elif name == "restore":
            await figures.measure(name, self._transfer, laptop.restore, _TRANSFER_SECONDS)
        else:
            action = {
                "activities": laptop.activities,
                "bundle": laptop.bundle,
                "statistics": laptop.statistics,
                "page": laptop.page,
            }[name]
            await figures.measure(name, self._request, action, _REQUEST_SECONDS)

    async def _back_up(self, laptop: Laptop) -> None:
        """Asks until it may begin, or until the morning is over, as ds-backup does."""
        figures, name, bring = self._report.morning, "backup", laptop.bring_changed
        if laptop.planned.new:
            name, bring = "first backup", laptop.bring
        for wait in (*WAITS_SECONDS, math.inf):
            answer = await figures.measure("may I begin", self._request, laptop.ask, _REQUEST_SECONDS)
            if answer is Outcome.DONE:
                await figures.measure(name, self._transfer, bring, _TRANSFER_SECONDS)
            if answer is not Outcome.LATER:
                return
            if self._now() + wait > self._options.minutes * 60:
                break
            await asyncio.sleep(wait / self._options.compress)
        figures.put_off(name)

    def _now(self) -> float:
        """Seconds of school time since the morning began."""
        return (time.monotonic() - self._begun) * self._options.compress

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, (at - self._now()) / self._options.compress))


async def _together(work: Iterable[Awaitable[None]]) -> None:
    """All at once; if this is cancelled, or one fails as it never should, the others end too."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
