# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `sugaroid schoolday`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from sugaroid.errors import InvalidInput
from sugaroid.schoolday.day import Day, Phase, Settings

_TITLES = {
    "enrol": "accounts made",
    "arrive": "all arrive: presences and roster",
    "rejoin": "all reset, all come back at once: presences and roster",
    "introduce": "all publish colour, key, nick, activity",
    "idle": "nothing happens",
    "lesson": "a lesson: groups chat, some come and go",
    "reconnect": "all reset, all come back at once and publish all anew",
    "leave": "half of them leave",
}


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of the command."""
    command.add_argument("--count", type=int, required=True, help="how many laptops")
    command.add_argument("--registered", type=int, default=0, metavar="N", help="how many accounts, if more")
    command.add_argument("--register", action="store_true", help="register with the school server, too")
    command.add_argument("--seed", default="1", help="make the same day again (default: %(default)s)")
    command.add_argument(
        "--seconds", type=float, default=20.0, help="how long the lesson takes (default: %(default)g)"
    )
    command.add_argument("--idle", type=float, default=10.0, help="seconds of silence (default: %(default)g)")
    command.add_argument("--limit", type=float, default=300.0, help="seconds for each phase (default: %(default)g)")
    command.add_argument("--keep-accounts", action="store_true", help="do not remove the accounts at the end")
    command.add_argument("--steps", action="store_true", help="wait for a line on standard input before each phase")


async def run(arguments: argparse.Namespace) -> int:
    """Live through the day; a line for each phase, JSON if wanted."""
    for name in ("seconds", "idle", "limit"):
        if not 0 < getattr(arguments, name) <= 86_400:
            raise InvalidInput(f"--{name} is a number of seconds up to 86400")
    day = Day(
        Settings(
            arguments.server,
            arguments.count,
            address=arguments.address,
            port=arguments.presence_port,
            registration_port=arguments.registration_port if arguments.register else None,
            registered=arguments.registered,
            seed=arguments.seed,
            lesson_seconds=arguments.seconds,
            idle_seconds=arguments.idle,
            limit_seconds=arguments.limit,
        )
    )
    ok = True
    try:
        async for phase in day.run(_next_line if arguments.steps else None):
            ok = ok and phase.ok
            print(json.dumps(phase.as_dict()) if arguments.json else _shown(phase), flush=True)
    finally:
        await day.end(keep_accounts=arguments.keep_accounts)
    return 0 if ok else 1


async def _next_line(_phase: str) -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def _shown(phase: Phase) -> str:
    found, text = phase.faults, f"{_TITLES[phase.name]:<42} {phase.end:<10} {phase.seconds:8.2f} s"
    if phase.waits is not None:
        text += f", p50 {phase.waits[0] * 1000:.0f} ms, p99 {phase.waits[1] * 1000:.0f} ms"
    told = {
        "unseen": found.unseen,
        "undrawn": found.undrawn,
        "gone but shown": found.ghosts,
        "stale": found.stale,
        "said twice": phase.twice,
        "forged": phase.forged,
        "refused": phase.refused,
        "messages lost": phase.lost_messages,
    }
    text += "".join(f", {count} {name}" for name, count in told.items() if count)
    if phase.failure:
        # What comes from a server does not steer the terminal.
        text += ": " + "".join(letter if letter.isprintable() else "\ufffd" for letter in phase.failure)
    return text
