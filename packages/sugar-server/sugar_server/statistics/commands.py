# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that prints the school's statistics."""

from __future__ import annotations

import argparse
import contextlib
from datetime import date, datetime, timedelta, timezone
from typing import Any

from sugar_server.command import Failed, add_root, add_state, become_owner
from sugar_server.statistics import export
from sugar_server.statistics.report import days_until, report
from sugar_server.statistics.store import NAME, Store


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser("statistics", help="print the usage statistics", description=_statistics.__doc__)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="as comma-separated values, for spreadsheets")
    form.add_argument("--json", action="store_true", help="as JSON, for scripts")
    parser.add_argument("--from", dest="first", type=_day, metavar="DAY", help="as 2026-01-31 (default: 30 days ago)")
    parser.add_argument("--to", dest="last", type=_day, metavar="DAY", help="as 2026-01-31 (default: today)")
    add_state(parser)
    add_root(parser)
    parser.set_defaults(run=_statistics)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as 2026-01-31") from None


def _statistics(arguments: argparse.Namespace) -> int:
    """Prints how the school's laptops were used, day by day (UTC)."""
    last = arguments.last or datetime.now(timezone.utc).date()
    first = arguments.first or last - timedelta(days=30)
    if first > last:
        raise Failed(f"{first} is after {last}. Give --from a day that is not after --to's.")
    become_owner(arguments.state, NAME)
    with contextlib.closing(Store(arguments.state)) as store:
        sums = store.sums(first.isoformat(), last.isoformat())
    if arguments.csv or arguments.json:
        print(export.as_csv(sums) if arguments.csv else export.as_json(sums), end="")
        return 0
    found = report(sums, days_until(last, (last - first).days + 1))
    print("day         laptops   hours")
    for day, laptops, hours in zip(found.days, found.laptops, found.hours):
        if laptops:
            print(f"{day}  {laptops:7}  {hours:6.1f}")
    for name, hours in found.activities[:20]:
        print(f"{hours:8.1f} h  {name}")
    return 0
