"""One day of a school against one server: what each phase cost the server, and what the laptops saw."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .contenders import DOMAIN, Contender
from .server import cost, running

SUGAROID = Path(__file__).parents[3] / "packages" / "sugaroid"
SEED = "bench"
SERVER_CPU, BOTS_CPU = 0, 1
PHASES = ("enrol", "arrive", "rejoin", "introduce", "idle", "lesson", "reconnect", "leave")
PATIENCE = 10
"""How much longer than the server may compute the bots wait."""


@dataclass(frozen=True)
class Load:
    """How large a school, and how long its day."""

    count: int
    registered: int = 0
    lesson_seconds: float = 15.0
    idle_seconds: float = 10.0
    limit_seconds: float = 90.0
    """Of the server's processor time, for each phase: other work on the machine does not hasten it."""

    @property
    def accounts(self) -> int:
        return max(self.count, self.registered)


def jids(count: int) -> list[str]:
    """Who the bots of a seed are."""
    sys.path.insert(0, str(SUGAROID))
    from sugaroid.profile import Profile

    return [f"{Profile.make(f'{SEED}-{number}').account}@{DOMAIN}" for number in range(count)]


def day(contender: Contender, suite: str, load: Load) -> dict[str, Any]:
    """The phases by name, each as sugaroid tells it, with the server's `cpu_seconds` and `rss_mib`."""
    with running(contender, suite, jids(load.accounts), SERVER_CPU) as (port, pid):
        start = cost(pid)
        bots = subprocess.Popen(
            ["taskset", "-c", str(BOTS_CPU % (os.cpu_count() or 1)), *_bots(port, load)],
            cwd=SUGAROID,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            phases = _follow(bots, pid, load.limit_seconds)
        finally:
            bots.kill()
            bots.wait()
        return {
            "suite": suite,
            "contender": contender.name,
            "count": load.count,
            "registered": load.accounts,
            "limit_seconds": load.limit_seconds,
            "start_mib": start.rss_mib,
            "peak_mib": cost(pid).peak_mib,
            "phases": phases,
        }


def _bots(port: int, load: Load) -> list[str]:
    return [
        *(sys.executable, "-m", "sugaroid", "schoolday", "--server", DOMAIN, "--address", "127.0.0.1"),
        *("--presence-port", str(port), "--count", str(load.count), "--registered", str(load.accounts)),
        *("--seed", SEED, "--seconds", str(load.lesson_seconds), "--idle", str(load.idle_seconds)),
        *("--limit", str(PATIENCE * load.limit_seconds), "--json", "--steps", "--keep-accounts"),
    ]


def _follow(bots: subprocess.Popen[str], pid: int, limit_seconds: float) -> dict[str, Any]:
    """Let the bots go on, phase by phase; what the server does after a phase counts as the next one's."""
    assert bots.stdin and bots.stdout
    phases: dict[str, Any] = {}
    before = cost(pid)
    for name in PHASES:
        bots.stdin.write("\n")
        bots.stdin.flush()
        phase, after = _phase(bots.stdout, pid, before.cpu_seconds + limit_seconds), cost(pid)
        if phase is None:
            phase = {"name": name, "end": "unfinished", "faults": {}}
        phase["cpu_seconds"], phase["rss_mib"] = round(after.cpu_seconds - before.cpu_seconds, 2), after.rss_mib
        phases[name], before = phase, after
        if phase["end"] == "unfinished":
            break
    return phases


def _phase(stdout: IO[str], pid: int, until_cpu_seconds: float) -> dict[str, Any] | None:
    """What the bots tell of a phase; None if the server has used up its time before."""
    while not select.select([stdout], [], [], 0.5)[0]:
        if cost(pid).cpu_seconds > until_cpu_seconds:
            return None
    line = stdout.readline()
    if not line:
        raise RuntimeError("the bots have ended before the day")
    found: dict[str, Any] = json.loads(line)
    return found
