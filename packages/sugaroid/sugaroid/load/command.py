# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `sugaroid load`: its words, and what it prints and returns."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
from pathlib import Path

from sugaroid.checks.options import Ports
from sugaroid.load.options import LoadOptions
from sugaroid.load.plan import SERVICES, plan
from sugaroid.load.run import LoadReport, load
from sugaroid.load.shown import planned_as_dict, shown, shown_plan


def add_options(command: argparse.ArgumentParser) -> None:
    """Those beside the ones that all commands have."""
    usual = LoadOptions("", 1, "")
    command.add_argument("--laptops", type=int, required=True, metavar="N", help="how many laptops")
    command.add_argument("--seed", metavar="TEXT", help="do the same again (default: made up, and printed)")
    command.add_argument(
        "--minutes", type=float, default=usual.minutes, metavar="M", help="of the morning (default: %(default)g)"
    )
    command.add_argument(
        "--compress",
        type=float,
        default=usual.compress,
        metavar="F",
        help="let the morning pass so many times faster (default: %(default)g)",
    )
    command.add_argument(
        "--services",
        type=lambda text: tuple(name.strip() for name in text.split(",") if name.strip()),
        default=SERVICES,
        metavar="LIST",
        help=f"what they use, of {', '.join(SERVICES)} (default: all)",
    )
    command.add_argument(
        "--at-once",
        type=int,
        default=usual.at_once,
        metavar="K",
        help="Journals that travel at once at most, to spare this machine (default: %(default)s)",
    )
    command.add_argument("--folder", type=Path, metavar="DIR", help="a new folder for the Journals, which then stay")
    command.add_argument(
        "--identities", type=Path, metavar="FILE", help="write the laptops' fingerprints, for sugar-server forget"
    )
    command.add_argument("--plan", action="store_true", help="print who would do what, and do nothing")


async def run(arguments: argparse.Namespace) -> int:
    """The exit status: 0 all was done, 1 something was not, 130 interrupted, with what was done until then."""
    options = LoadOptions(
        server=arguments.server,
        laptops=arguments.laptops,
        seed=arguments.seed or secrets.token_hex(4),
        address=arguments.address,
        minutes=arguments.minutes,
        compress=arguments.compress,
        services=arguments.services,
        at_once=arguments.at_once,
        folder=arguments.folder,
        ports=Ports(**{name: getattr(arguments, f"{name}_port") for name in vars(Ports())}),
    )
    options.validate()
    if arguments.plan:
        planned = plan(options.laptops, options.seed, options.minutes, options.services)
        print(json.dumps(planned_as_dict(planned), indent=2) if arguments.json else shown_plan(planned))
        return 0
    report = LoadReport(options.seed, options.laptops)
    try:
        await _interruptible(options, report)
    finally:
        if arguments.identities is not None:
            _write(arguments.identities, report)
    print(json.dumps(report.as_dict(), indent=2) if arguments.json else shown(report))
    return 130 if report.interrupted else 0 if report.ok else 1


async def _interruptible(options: LoadOptions, report: LoadReport) -> None:
    work = asyncio.ensure_future(load(options, report))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        report.interrupted = True
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _write(path: Path, report: LoadReport) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text("".join(f"{each.fingerprint}\n" for each in report.identities))
    new.replace(path)
