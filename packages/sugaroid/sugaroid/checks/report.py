# SPDX-License-Identifier: GPL-3.0-or-later
"""What was tried and seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from sugaroid.errors import SugaroidError, reason


class Unexpected(SugaroidError):
    """The service answers, but not what a laptop needs."""


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    service: str
    check: str
    tried: str
    seen: str
    ok: bool
    seconds: float


@dataclass(frozen=True)
class Identity:
    """A laptop that was pretended, and that the server still has registered."""

    serial: str
    fingerprint: str
    jid: str


@dataclass
class Report:
    """All of it."""

    checks: list[Check] = field(default_factory=list)
    identities: list[Identity] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What else stays on the server, and how it goes."""

    @property
    def ok(self) -> bool:
        """Whether all that was tried is as expected, and something was tried."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "checks": [asdict(one) for one in self.checks],
            "identities": [asdict(one) for one in self.identities],
            "left": list(self.left),
        }

    async def step(
        self, service: str, check: str, tried: str, action: Callable[[], Awaitable[str]], seconds: float = 45.0
    ) -> bool:
        """Try something within a time; what the action returns is what was seen, what it raises is a failure."""
        start = time.monotonic()
        try:
            seen, ok = await asyncio.wait_for(action(), seconds), True
        except asyncio.TimeoutError:
            seen, ok = f"nothing within {seconds:g} s", False
        except SugaroidError as error:
            seen, ok = str(error), False
        except OSError as error:
            seen, ok = reason(error), False
        self.checks.append(Check(service, check, tried, seen, ok, round(time.monotonic() - start, 3)))
        return ok
