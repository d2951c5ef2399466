"""Steps of a trial, each timed and reported; every one is our own command line, as a deployer would type it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sugar_deploy.deployment.load import load
from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.lab.lab import Lab
from sugar_deploy.run.verify import Check

Say = Callable[[str], None]
Outcome = tuple[bool, str, list[str]]
"""Whether it did what it should, what was seen in a few words, and line by line."""
DETAIL_COLUMNS = 93
"""How wide such a line is, so that it stands indented in 100 columns."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the trial and what came of it."""

    name: str
    ok: bool
    seconds: float
    seen: str
    details: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "step": self.name,
            "ok": self.ok,
            "seconds": round(self.seconds, 1),
            "seen": self.seen,
            "details": list(self.details),
        }


def own_argv(*words: str) -> tuple[str, ...]:
    """Our own command line."""
    return (sys.executable, "-m", "sugar_deploy", *words)


def verify_words(lab: Lab, folder: Folder) -> tuple[str, ...]:
    """`verify` from each school's laptop."""
    vantages = (
        word for name in load(folder).schools for word in ("--from", f"{name}=root@127.0.0.1:{lab.laptop(name).port}")
    )
    return ("verify", "-C", str(folder.root), *vantages)


def own(words: Sequence[str], *, timeout_seconds: float = 3600) -> subprocess.CompletedProcess[str]:
    """Run it, and keep what it says."""
    return subprocess.run(
        own_argv(*words),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def simple(*words: str) -> Outcome:
    """One command whose exit status says it all."""
    done = own(words)
    said = (done.stdout + done.stderr).strip().splitlines()
    summary = [line for line in said if not line.startswith("Next: ")]
    return done.returncode == 0, summary[-1] if summary else "done", said


def verify(lab: Lab, folder: Folder) -> Outcome:
    """Every check of every school, from its laptop."""
    done = own((*verify_words(lab, folder), "--json"))
    schools = report_of(done)["schools"]
    details = []
    for name, school in sorted(schools.items()):
        details += [f"{name}: {school['error']}"] if school["error"] else []
        for check in (Check(**each) for each in school["checks"]):
            details.append(f"{name}: {'ok' if check.ok else 'FAIL'}: {check.service}: {check.check}")
            details += [f"  {line}" for line in check.told(DETAIL_COLUMNS - 2)]
    good = sum(check["ok"] for school in schools.values() for check in school["checks"])
    count = sum(len(school["checks"]) for school in schools.values())
    return done.returncode == 0 and count > 0, f"{good} of {count} checks", details


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The JSON that it printed; DeployError with what it said instead."""
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"status {done.returncode}"]
        raise DeployError("\n  ".join(said[-8:])) from None
    return report


class Steps:
    """Runs steps in order and stops at the first that fails."""

    def __init__(self, say: Say = lambda _: None) -> None:
        self.steps: list[Step] = []
        self._say = say

    def run_all(self, steps: Iterable[tuple[str, Callable[[], Outcome]]]) -> bool:
        """Whether every step did what it should."""
        return all(self._step(name, work) for name, work in steps)

    def _step(self, name: str, work: Callable[[], Outcome]) -> bool:
        self._say(f"{name} …")
        started = time.monotonic()
        try:
            ok, seen, details = work()
        except (DeployError, subprocess.TimeoutExpired) as error:
            ok, seen, details = False, str(error), []
        step = Step(name, ok, time.monotonic() - started, seen, tuple(details))
        self.steps.append(step)
        self._say(f"{name}: {'ok' if ok else 'FAILED'}, {seen} ({step.seconds:.1f} s)")
        for line in details if not ok else ():
            self._say(f"  {line}")
        return ok
