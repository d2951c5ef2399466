# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sums say to a teacher: how many laptops report, how long they are used, and with which activities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sugar_server.statistics.store import Sum

_ACTIVITY = "activity."


@dataclass(frozen=True)
class Report:
    """Of a run of days, none left out."""

    days: tuple[str, ...]
    laptops: tuple[int, ...]
    """How many laptops reported anything, for each day."""
    hours: tuple[float, ...]
    """The time spent in activities, summed over the laptops, for each day."""
    activities: tuple[tuple[str, float], ...]
    """Bundle ids with their hours in all those days, the most used first."""
    versions: tuple[tuple[str, int], ...]
    """Software with its version, and on how many laptops it was on the last day that told any."""


def days_until(last: date, count: int) -> tuple[str, ...]:
    """The names of COUNT days, the last of them LAST."""
    return tuple((last - timedelta(days=back)).isoformat() for back in reversed(range(count)))


def report(sums: Iterable[Sum], days: Sequence[str]) -> Report:
    """The report of DAYS from their sums."""
    laptops: dict[str, int] = defaultdict(int)
    hours: dict[str, float] = defaultdict(float)
    activities: dict[str, float] = defaultdict(float)
    versions: dict[str, dict[str, int]] = defaultdict(dict)
    for each in sums:
        laptops[each.day] = max(laptops[each.day], each.laptops)
        if each.name.startswith(_ACTIVITY) and each.field == "uptime":
            hours[each.day] += each.total / 3600
            activities[each.name[len(_ACTIVITY) :]] += each.total / 3600
        if each.name == "software":
            versions[each.day][each.field] = each.laptops
    newest = versions[max(versions)] if versions else {}
    return Report(
        tuple(days),
        tuple(laptops[day] for day in days),
        tuple(hours[day] for day in days),
        tuple(sorted(activities.items(), key=lambda pair: (-pair[1], pair[0]))),
        tuple(sorted(newest.items())),
    )
