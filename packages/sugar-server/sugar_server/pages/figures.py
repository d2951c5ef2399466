# SPDX-License-Identifier: GPL-3.0-or-later
"""The last month's statistics as plots, each with what it shows in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Callable

from sugar_server.pages.languages import Language, language
from sugar_server.pages.providers import Plot
from sugar_server.statistics.plots import bars, rows
from sugar_server.statistics.report import Report, days_until, report
from sugar_server.statistics.store import Store
from sugar_server.writer import Writer

_DAYS = 30
_MOST_ROWS = 10
_SECONDS_TO_WAIT = 10


@dataclass(frozen=True)
class Figures:
    """The school's sums, drawn."""

    writer: Writer[Store]
    clock: Callable[[], float]

    def plots(self, code: str) -> Sequence[Plot]:
        days = days_until(datetime.fromtimestamp(self.clock(), timezone.utc).date(), _DAYS)
        sums = self.writer.submit(lambda store: store.sums(days[0], days[-1])).result(_SECONDS_TO_WAIT)
        return _drawn(report(sums, days), language(code)) if sums else ()


def _drawn(found: Report, tongue: Language) -> list[Plot]:
    drawn = [_laptops(found, tongue)]
    if any(found.hours):
        drawn += [_hours(found, tongue), _activities(found, tongue)]
    return drawn


def _laptops(found: Report, tongue: Language) -> Plot:
    title = tongue.gettext("Laptops in use, day by day")
    most = max(found.laptops)
    day = found.days[found.laptops.index(most)]
    # Translators: a day is written as 2026-01-31.
    text = tongue.ngettext(
        "At most {count} laptop in a day: {day}.", "At most {count} laptops in a day: {day}.", most
    )
    return Plot(title, text.format(count=most, day=day), bars(title, found.days, found.laptops))


def _hours(found: Report, tongue: Language) -> Plot:
    title = tongue.gettext("Hours spent in activities, day by day")
    hours = _rounded(sum(found.hours))
    # A part of an hour is counted as several are.
    number = int(hours) if hours.isdigit() else 2
    text = tongue.ngettext("{count} hour in the last 30 days.", "{count} hours in the last 30 days.", number)
    return Plot(title, text.format(count=hours), bars(title, found.days, found.hours))


def _activities(found: Report, tongue: Language) -> Plot:
    title = tongue.gettext("Activities, by hours in the last 30 days")
    most = [(short_name(bundle), hours) for bundle, hours in found.activities[:_MOST_ROWS]]
    text = tongue.gettext("Used most: {names}.").format(names=", ".join(name for name, _ in most[:3]))
    return Plot(title, text, rows(title, most))


def _rounded(hours: float) -> str:
    return f"{hours:.0f}" if hours >= 10 or hours == int(hours) else f"{hours:.1f}"


def short_name(bundle_id: str) -> str:
    """What people may know an activity by: the end of its bundle id, as Write of org.laptop.Write."""
    last = bundle_id.rpartition(".")[2]
    return last[: -len("Activity")] if last.endswith("Activity") and last != "Activity" else last
