"""A deployment whose laptops run OLPC OS, and the programs that look at its packages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.folder import Folder
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve

Rpm = Callable[..., subprocess.CompletedProcess[str]]
NAME = "lima"
LAN = {"interface": "eth1", "address": "172.18.96.1/19"}
SCHOOL = {"scenario": "offline-server", "server": {"address": "192.0.2.1"}, "lan": LAN}
PEERS = {"scenario": "online-peers", "role": "master", "server": {"address": "meet.example.org"}}


def plan(*schools: dict[str, object]) -> Plan:
    """A deployment of these schools."""
    named = {f"school-{number}": school for number, school in enumerate(schools)}
    return resolve(Deployment.model_validate({"version": 1, "name": NAME, "title": "Lima", "schools": named}))


def quiet(_text: str) -> None:
    """Says nothing."""


@dataclass(frozen=True)
class Published:
    """A deployment's folder and a tree with its yum repository."""

    folder: Folder
    tree: Path

    @property
    def yum(self) -> Path:
        return self.tree / "yum"

    @property
    def key(self) -> Path:
        return self.yum / f"RPM-GPG-KEY-{NAME}"

    def rpm(self, name: str) -> Path:
        return next(self.yum.glob(f"{NAME}-{name}-*.rpm"))


def run(*argv: object, **more: object) -> subprocess.CompletedProcess[str]:
    """A program's status and output."""
    words = [str(word) for word in argv]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment, **more)  # type: ignore[call-overload, no-any-return]


def query(rpm: Path, *arguments: str) -> list[str]:
    return run("rpm", "-qp", "--nosignature", *arguments, rpm).stdout.splitlines()


def install(rpm: Rpm, *packages: Path) -> None:
    done = rpm("-i", "--nodeps", *packages)
    assert done.returncode == 0, done.stderr
