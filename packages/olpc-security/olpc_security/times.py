# SPDX-License-Identifier: GPL-3.0-or-later
"""Times as the firmware reads them: 16 characters, UTC, compared as signed 32-bit seconds."""

from __future__ import annotations

import calendar
import re
import time

from olpc_security.rules import Refusal, Rule

NEVER = "00000000T000000Z"
"""Never expires; in a clock reset, no time was recorded."""
HORIZON_SECONDS = 2**31
"""What lies so far ahead of the clock, or farther, counts as expired."""

_FORM = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z", re.ASCII)
# Days are not held against their month: 31 February is the 3rd of March.
_RANGES = (("month", 1, 12), ("day", 1, 31), ("hour", 0, 23), ("minute", 0, 59), ("second", 0, 59))
_LAST_SECOND = calendar.timegm((9999, 12, 31, 23, 59, 59))
_EARLIEST_CLOCK = calendar.timegm((2007, 1, 1, 0, 0, 0))


def written(seconds: int) -> str:
    """Unix SECONDS as a laptop reads them."""
    if not 0 <= seconds <= _LAST_SECOND:
        raise Refusal(Rule.TIME, f"{seconds} seconds since 1970 cannot be written")
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def seconds_of(text: str, column: int = 0) -> int:
    """A time in Unix seconds; raises Refusal. NEVER is no time."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise Refusal(Rule.TIME, f"{text[:40]!r} is no time", column=column)
    year, *rest = (int(part) for part in match.groups())
    for value, (name, least, most) in zip(rest, _RANGES):
        if not least <= value <= most:
            raise Refusal(Rule.TIME, f"{text!r} has {value} for its {name}", column=column)
    if year < 1:
        raise Refusal(Rule.TIME, f"{text!r} has no year", column=column)
    return calendar.timegm((year, *rest))


def require_not_expired(text: str, now: int, column: int = 0) -> None:
    """Raise Refusal unless a laptop whose clock says NOW (Unix seconds) takes this expiry."""
    if text == NEVER:
        return
    left = seconds_of(text, column) - now
    if not 0 <= now - _EARLIEST_CLOCK < HORIZON_SECONDS:
        raise Refusal(Rule.CLOCK, f"the clock says {written(max(now, 0))}", column=column)
    if left < 0:
        raise Refusal(Rule.EXPIRED, f"it expired at {text}, now is {written(now)}", column=column)
    if left >= HORIZON_SECONDS:
        raise Refusal(Rule.TOO_FAR, f"{text} counts as expired, now is {written(now)}", column=column)


def require_within(expires: str, limit: str) -> None:
    """Raise Refusal if EXPIRES is later than LIMIT."""
    if limit != NEVER and (expires == NEVER or seconds_of(expires) > seconds_of(limit)):
        raise Refusal(Rule.OUTLIVES, f"it would expire at {expires}, its delegation at {limit}")
