# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a password may be tried: each failure makes the next wait longer. Reading is never limited.

Each address waits by itself; all together wait, too, so that many addresses help nobody. An address from which the
teacher has logged in before does not wait for the others: children who guess cannot lock the teacher out.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Callable

_FREE, _LONGEST_WAIT = 5, 60.0
_FREE_IN_ALL, _LONGEST_WAIT_IN_ALL = 50, 10.0
_SECONDS_REMEMBERED = 15 * 60
_MOST_ADDRESSES = 1000


@dataclass
class _Failures:
    count: int = 0
    last: float = -math.inf


class Limits:
    """The failures to log in. For use by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all = _Failures()
        self._by_address: dict[str, _Failures] = {}
        self._trusted: dict[str, None] = {}

    def seconds_to_wait(self, address: str) -> int:
        """How long the address has to wait before it may try; 0 if it may now."""
        own = self._wait(self._by_address.get(address), _FREE, _LONGEST_WAIT)
        others = 0.0 if address in self._trusted else self._wait(self._all, _FREE_IN_ALL, _LONGEST_WAIT_IN_ALL)
        return math.ceil(max(own, others))

    def tried(self, address: str) -> None:
        """Counts a try as a failure, before it is examined: tries sent at once count each."""
        if address not in self._by_address and len(self._by_address) >= _MOST_ADDRESSES:
            del self._by_address[min(self._by_address, key=lambda known: self._by_address[known].last)]
        for failures in (self._all, self._by_address.setdefault(address, _Failures())):
            if self._clock() - failures.last > _SECONDS_REMEMBERED:
                failures.count = 0
            failures.count += 1
            failures.last = self._clock()

    def succeeded(self, address: str) -> None:
        """Forgets the address's failures; from now on it does not wait for others."""
        self._all.count -= 1  # the try itself; those of others stay
        self._by_address.pop(address, None)
        self._trusted.pop(address, None)
        self._trusted[address] = None
        if len(self._trusted) > _MOST_ADDRESSES:
            del self._trusted[next(iter(self._trusted))]

    def _wait(self, failures: _Failures | None, free: int, longest: float) -> float:
        if failures is None or failures.count < free or self._clock() - failures.last > _SECONDS_REMEMBERED:
            return 0.0
        needed = min(longest, 2.0 ** min(failures.count - free, 10))
        return max(0.0, failures.last + needed - self._clock())
