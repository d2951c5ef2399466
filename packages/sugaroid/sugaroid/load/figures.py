# SPDX-License-Identifier: GPL-3.0-or-later
"""What was done, how long it took and why not: figures of each thing that laptops do."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sugaroid.errors import SugaroidError, reason

_REASONS = 5
_LONGEST_REASON = 200


class Outcome(Enum):
    """What became of a deed."""

    DONE = "done"
    LATER = "later"
    FAILED = "failed"


class Later(SugaroidError):
    """The server asks the laptop to come again later: that is no failure."""


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the least value that so many of all do not exceed; 0 of none."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0.0


@dataclass
class Figure:
    """One kind of deed. Seconds count from when it was due, so that waiting for one's turn here is not hidden."""

    seconds: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    """Seconds of them in which this machine let it wait for its turn."""
    failures: Counter[str] = field(default_factory=Counter)
    later: int = 0
    """So often the server asked to come again later."""
    bytes: int = 0
    began: float = math.inf
    ended: float = -math.inf

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    def as_dict(self) -> dict[str, Any]:
        """For --json: seconds, bytes, and deeds in a second."""
        span = max(self.ended - self.began, 0.001)
        taken = {f"p{share}": percentile(self.seconds, share / 100) for share in (50, 95, 99)}
        taken["max"] = max(self.seconds, default=0.0)
        return {
            "done": len(self.seconds),
            "failed": self.failed,
            "later": self.later,
            "per_second": round(len(self.seconds) / span, 2) if self.seconds else 0.0,
            "seconds": {name: round(value, 3) for name, value in taken.items()},
            "waited_here_p99": round(percentile(self.waited, 0.99), 3),
            "bytes": self.bytes,
            "reasons": dict(self.failures.most_common(_REASONS)),
        }


@dataclass
class Figures:
    """All of them, by name, in the order in which they were first measured."""

    of: dict[str, Figure] = field(default_factory=dict)

    async def measure(
        self, name: str, turn: asyncio.Semaphore, action: Callable[[], Awaitable[int]], seconds: float
    ) -> Outcome:
        """Do something when its turn comes, within a time; the action returns bytes."""
        figure = self.of.setdefault(name, Figure())
        due = time.monotonic()
        figure.began = min(figure.began, due)
        async with turn:
            begun = time.monotonic()
            try:
                moved = await asyncio.wait_for(action(), seconds)
            except Later:
                figure.later += 1
                return Outcome.LATER
            except asyncio.TimeoutError:
                why = f"nothing within {seconds:g} s"
            except SugaroidError as error:
                why = str(error)[:_LONGEST_REASON]
            except OSError as error:
                why = reason(error)
            else:
                figure.bytes += moved
                figure.ended = time.monotonic()
                figure.waited.append(begun - due)
                figure.seconds.append(figure.ended - due)
                return Outcome.DONE
            figure.failures[why] += 1
            return Outcome.FAILED

    def fail(self, name: str, why: str) -> None:
        """Something that could not even be tried."""
        self.of.setdefault(name, Figure()).failures[why] += 1

    def put_off(self, name: str) -> None:
        """Something that the server did not let a laptop begin."""
        self.of.setdefault(name, Figure()).later += 1

    @property
    def ok(self) -> bool:
        """Whether nothing failed, something was done, and nothing was only ever put off."""
        some = any(figure.seconds for figure in self.of.values())
        return some and all(not each.failed and (each.seconds or not each.later) for each in self.of.values())

    def as_dict(self) -> Mapping[str, Any]:
        """For --json, by name."""
        return {name: figure.as_dict() for name, figure in self.of.items()}
