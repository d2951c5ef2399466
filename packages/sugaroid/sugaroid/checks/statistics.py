# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads one sample as sugar-stats' client does, twice: it may count once only.

A laptop cannot take back what it uploaded: one second of use stays in the school's sums until they are too old.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sugaroid.background import in_background
from sugaroid.checks.enrolled import enrolled
from sugaroid.checks.options import Options
from sugaroid.checks.report import Report, Unexpected
from sugaroid.statistics import Info, Statistics, wanted

DATABASE = "activity.org.sugarlabs.Sugaroid"
SECONDS = 20.0
LEFT = f"one second of {DATABASE} in the school's statistics, until they are too old to be kept"


async def check_statistics(report: Report, options: Options, address: str) -> None:
    """A new laptop asks, uploads, asks again, and repeats its upload as after a lost answer."""
    laptop = await enrolled(report, options, address, "statistics", "ed25519")
    if laptop is None:
        return
    port = options.ports.registration
    account = Statistics(laptop.profile, options.server, address, port)
    url = f"http://{options.server}:{port}/user/GUID"
    sample = (int(time.time()), {"uptime": 1})

    async def asked() -> str:
        info = await in_background(account.info, SECONDS)
        if not info.enable:
            raise Unexpected("the server wants no statistics: enable is false")
        if info.status:
            raise Unexpected(f"a new laptop has statistics already: {', '.join(sorted(info.status))}")
        return f"one sample in {info.step} s"

    async def uploaded() -> str:
        answer = await in_background(lambda: account.upload(DATABASE, [sample]), SECONDS)
        report.left.append(LEFT)
        return judge_upload(await in_background(account.info, SECONDS), sample[0], answer)

    async def repeated() -> str:
        before = await in_background(account.info, SECONDS)
        answer = await in_background(lambda: account.upload(DATABASE, [sample]), SECONDS)
        return judge_repeat(before, await in_background(account.info, SECONDS), answer)

    if not await report.step("statistics", "what the server wants", f"GET {url}?cmd=stats-info", asked):
        return
    tried = f"POST {url}?cmd=stats-upload, one sample of {DATABASE}"
    if await report.step("statistics", "an upload", tried, uploaded):
        await report.step("statistics", "the same upload again", tried, repeated)


def judge_upload(info: Info, at: int, answer: Mapping[str, Any]) -> str:
    """What is seen after a sample of the time `at`; Unexpected if the laptop would bring it again for ever."""
    if DATABASE not in info.status:
        raise Unexpected(f"the server took a sample and does not know of it: {answer}")
    if wanted(info, DATABASE, [(at, {})]):
        raise Unexpected(f"the server wants again what it has: from {info.status[DATABASE]} on, and was given {at}")
    return f"taken; the next one from {info.status[DATABASE]} on"


def judge_repeat(before: Info, after: Info, answer: Mapping[str, Any]) -> str:
    """What is seen of a repeated upload; Unexpected if it counted."""
    if after.status != before.status:
        raise Unexpected("an upload that was repeated changed what the server wants next")
    if answer.get("added", 0) != 0:
        raise Unexpected(f"an upload that was repeated was counted again: {answer}")
    return "dropped, as it should be"
