"""`python -m tests.bench.presence`: all servers, all sizes, both releases of Debian, in one go."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from . import plot, report, roots
from .contenders import CONTENDERS, Contender
from .measure import Load, day

COUNTS = (50, 200, 500, 1000)
REGISTERED, ONLINE = 1000, 50
BEGIN, END = "<!-- measured: written by tests.bench.presence -->", "<!-- until here -->"


def main() -> None:
    """Measure what is asked for, print the table, write plot and results."""
    options = _options().parse_args()
    # Ended from outside, it takes server and laptops with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = Results(options.results)
    if options.docs:
        written(options.docs.read_text(), "")  # a page without the place for it is found before the hours of work
    for suite in options.suites:
        for contender in CONTENDERS:
            if contender.name in options.only:
                _measure(results, contender, suite, options)
    table = report.markdown(results.rows)
    print(table)
    if options.docs:
        options.docs.write_text(written(options.docs.read_text(), table))
        options.docs.with_suffix(".svg").write_text(plot.svg(results.rows))
    if options.plot:
        options.plot.write_text(plot.svg(results.rows))


def written(page: str, table: str) -> str:
    """The page with the table in its place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"the page has no place for the table: it is to stand between {BEGIN} and {END}")
    return f"{before}{begin}\n\n{table}\n{end}{after}"


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m tests.bench.presence", description=__doc__)
    known = [contender.name for contender in CONTENDERS]
    options.add_argument("--counts", type=int, nargs="+", default=list(COUNTS), metavar="N", help="laptops")
    options.add_argument("--suites", nargs="+", default=list(roots.SUITES), choices=roots.SUITES)
    options.add_argument("--only", nargs="+", default=known, choices=known)
    options.add_argument(
        "--limit",
        type=float,
        default=120.0,
        help="processor seconds that a server has for each phase (default: %(default)g)",
    )
    options.add_argument("--lesson", type=float, default=15.0, help="seconds (default: %(default)g)")
    options.add_argument("--idle", type=float, default=10.0, help="seconds (default: %(default)g)")
    options.add_argument("--no-registered", action="store_true", help="leave out 50 of 1000 registered laptops")
    options.add_argument(
        "--results", type=Path, metavar="FILE", help="keep measurements there; those of other servers stay"
    )
    options.add_argument("--resume", action="store_true", help="leave out what is in the results already")
    options.add_argument("--plot", type=Path, metavar="SVG")
    options.add_argument(
        "--docs", type=Path, metavar="PAGE", help="put the table into this page, and the plot beside it"
    )
    return options


def _measure(results: Results, contender: Contender, suite: str, options: argparse.Namespace) -> None:
    loads = [(count, 0) for count in sorted(options.counts)]
    if not options.no_registered:
        loads.append((ONLINE, REGISTERED))
    for count, registered in loads:
        started = time.monotonic()
        load = Load(count, registered, options.lesson, options.idle, options.limit)
        row = results.get(suite, contender.name, count, load.accounts) if options.resume else None
        row = row or day(contender, suite, load)
        results.add(row)
        ends = ", ".join(f"{phase['name']} {phase['cpu_seconds']:.2f} s" for phase in row["phases"].values())
        took = time.monotonic() - started
        print(f"{suite} {contender.title}, {count} of {load.accounts}: CPU {ends}; took {took:.0f} s", flush=True)


class Results:
    """Measurements, the newest of each kind, in a file if one is named."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.rows: list[dict[str, Any]] = json.loads(file.read_text()) if file and file.exists() else []

    def get(self, *key: object) -> dict[str, Any] | None:
        """What was measured of a release's server with so many of so many laptops."""
        return next((row for row in self.rows if self._key(row) == key), None)

    def add(self, row: dict[str, Any]) -> None:
        """Take a measurement in place of an older one."""
        self._remove(row["suite"], row["contender"], row["count"], row["registered"])
        self.rows.append(row)
        self._write()

    def _remove(self, *key: object) -> None:
        self.rows = [row for row in self.rows if self._key(row) != key]

    @staticmethod
    def _key(row: dict[str, Any]) -> tuple[object, ...]:
        return tuple(row[name] for name in ("suite", "contender", "count", "registered"))

    def _write(self) -> None:
        if self._file:
            new = self._file.with_name(f"{self._file.name}.new")
            new.write_text(json.dumps(self.rows, indent=1))
            new.replace(self._file)


if __name__ == "__main__":
    main()
