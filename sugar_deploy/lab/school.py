"""A school's server without a network, as the person with the stick meets it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import inside
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.stick import MOUNT, Stick

_INSTALL_SECONDS = 1500.0

# Stops the installation as soon as it has read some of the stick, so that the stick goes away in the middle.
_CAUGHT = """rm -f /run/caught /run/pulled
"$@" > /run/said 2>&1 &
while kill -0 $! && ! grep -q '^[^ ]* [2-9]0 %' /run/said; do :; done
# install.sh has read the whole stick before: what memory still has of it could be read without the stick. A container
# may not forget, and need not: its stick gives errors even so.
kill -STOP $! && { echo 3 > /proc/sys/vm/drop_caches; touch /run/caught; } 2>/dev/null
until [ -e /run/pulled ]; do sleep 0.1; done
kill -CONT $!
wait $!
echo $? > /run/ended
"""


@dataclass(frozen=True, slots=True)
class Now:
    """What the server is at a moment."""

    packages: dict[str, str]
    settings: dict[str, str]
    registrations: list[dict[str, Any]] | None
    accounts: dict[str, str]
    services: dict[str, str]
    record: dict[str, Any] | None
    failed: str

    def differs(self, other: Now, *but: str) -> list[str]:
        """What is not as in OTHER, line by line; BUT names what may differ."""
        lines: list[str] = []
        for name in (each for each in self.__slots__ if each not in but):
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, dict) and isinstance(theirs, dict):
                keys = sorted(key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key))
                lines += [f"{name}: {key}: {theirs.get(key)} before, {mine.get(key)} now" for key in keys]
            elif mine != theirs:
                lines.append(f"{name}: {theirs} before, {mine} now")
        return lines


@dataclass(frozen=True, slots=True)
class Said:
    """How an installation ended, and what it said."""

    status: int
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)

    @property
    def error(self) -> str:
        """Where it says what is wrong."""
        telling = [line for line in self.lines if "rror:" in line or line.startswith("install.sh: this")]
        return (telling or self.lines or ["nothing"])[-1]


@dataclass(frozen=True, slots=True)
class SchoolServer:
    """One server."""

    machine: Machine
    name: str

    def now(self) -> Now:
        """What it is."""
        program = Path(inside.__file__).read_text(encoding="utf-8")
        return Now(**json.loads(self.machine.run(("python3", "-I", "-"), input=program).stdout))

    def has(self) -> dict[str, str]:
        """Installed packages and their versions."""
        return self.now().packages

    def install(self, stick: Stick, *, first: bool = False, options: tuple[str, ...] = ()) -> Said:
        """Plug the stick in, install from it, and take it out."""
        self.machine.plug(stick, read_only=True)
        done = self.machine.run((*self._argv(first), *options), check=False, timeout_seconds=_INSTALL_SECONDS)
        self.machine.unplug()
        return _said(done)

    def install_and_lose_the_stick(self, stick: Stick, *, first: bool = False) -> Said:
        """Pull the stick out while it is read."""
        self.machine.plug(stick, read_only=True)
        begin = ("systemd-run", "--quiet", "--collect", "--unit=lab-install", "sh", "-c", _CAUGHT, "sh")
        self.machine.run(("rm", "-f", "/run/said", "/run/ended"))
        self.machine.run((*begin, *self._argv(first)))
        self._wait_for("/run/caught")
        self.machine.yank()
        self.machine.run(("touch", "/run/pulled"))
        self._wait_for("/run/ended")
        status = int(self.machine.run(("cat", "/run/ended")).stdout)
        return Said(status, self.machine.run(("cat", "/run/said")).stdout.splitlines())

    def _wait_for(self, file: str) -> None:
        script = 'for i in $(seq 3000); do [ -e "$0" ] && exit 0; [ -e /run/ended ] && break; sleep 0.1; done; exit 1'
        if self.machine.run(("sh", "-c", script, file), check=False, timeout_seconds=320).returncode:
            said = self.machine.run(("cat", "/run/said"), check=False).stdout.strip()
            raise DeployError(f"The installation was not caught while it read the stick: {said[-500:]}")

    def _argv(self, first: bool) -> tuple[str, ...]:
        if first:
            return ("sh", f"{MOUNT}/install.sh", "--school", self.name, "--yes")
        return ("sugar-deploy", "install", MOUNT, "--yes")


def _said(done: subprocess.CompletedProcess[str]) -> Said:
    return Said(done.returncode, (done.stdout + done.stderr).strip().splitlines())
