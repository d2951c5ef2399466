# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks for a lease as a laptop that nobody knows: both ways are served, and neither gives one away.

The serial number is one that no XO has, so that nothing is left on the server.
"""

from __future__ import annotations

import secrets
import time

from sugaroid.background import in_background
from sugaroid.checks.options import Options
from sugaroid.checks.report import Report, Unexpected
from sugaroid.leases import deterrence
from sugaroid.leases.activation import activate

SECONDS = 25.0
MOST_OFF_SECONDS = 24 * 3600
"""A laptop sets its clock by the answer. This machine's own may be off by some hours."""


async def check_antitheft(report: Report, options: Options, address: str) -> None:
    """Activation, and theft deterrence."""
    serial = f"ZZZ{secrets.randbelow(10**8):08}"
    nonce = str(secrets.randbelow(2**63))
    activation, http = options.ports.activation, options.ports.http

    async def activated() -> str:
        return judge_activation(
            await in_background(lambda: activate(address, activation, serial, SECONDS), SECONDS + 5)
        )

    async def deterred() -> str:
        asked = await in_background(lambda: deterrence.ask(address, http, options.server, serial, nonce), SECONDS)
        return judge_answer(asked, time.time())

    tried = f"the serial number {serial} to {address}:{activation}"
    await report.step("antitheft", "activation at boot", tried, activated)
    tried = f"POST http://{options.server}:{http}{deterrence.PATH} for {serial}"
    await report.step("antitheft", "theft deterrence", tried, deterred)


def judge_activation(found: bytes) -> str:
    """What is seen where no lease was due; Unexpected for anything but silence."""
    if found:
        raise Unexpected(f"an answer for a laptop that nobody knows: {found[:40]!r}")
    return "no lease for a laptop that nobody knows"


def judge_answer(answer: deterrence.Answer, now: float) -> str:
    """What is seen of the time that is told, and of no lease; Unexpected if a laptop would be misled."""
    if answer.lease:
        raise Unexpected("a lease for a laptop that nobody knows")
    off = answer.seconds - now
    if abs(off) > MOST_OFF_SECONDS:
        raise Unexpected(f"the time {answer.members['time']}, {off / 3600:.0f} h off this machine's")
    return f"the time, {abs(off):.0f} s off this machine's, and no lease for a laptop that nobody knows"
