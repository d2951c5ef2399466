# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample: what was measured in the day that ended at a moment. Days are UTC's, as the server's are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

DAY_SECONDS = 86400
EARLIEST = 1136073600
"""2006: no clock that is right has been before."""
MOST_DAYS = 400


@dataclass(frozen=True)
class Sample:
    """One day's figures of one database, as `activity.org.laptop.Write`."""

    name: str
    at: int
    """The day's end, in seconds since 1970."""
    fields: dict[str, int]


def last_midnight(now: float) -> int:
    """The end of the last day that is over."""
    return int(now) // DAY_SECONDS * DAY_SECONDS


def is_kept(at: int, now: float) -> bool:
    """Whether a moment is past, not from a clock that is wrong, and not too long ago to matter."""
    return max(EARLIEST, now - MOST_DAYS * DAY_SECONDS) < at <= now


def from_object(value: Any) -> Sample | None:
    """The sample in one line of the queue; None if it is none."""
    if not isinstance(value, dict):
        return None
    name, at, fields = value.get("name"), value.get("at"), value.get("fields")
    if not isinstance(name, str) or type(at) is not int or not isinstance(fields, dict):
        return None
    if not all(type(number) in (int, float) and math.isfinite(number) for number in fields.values()):
        return None
    return Sample(name, at, fields)
