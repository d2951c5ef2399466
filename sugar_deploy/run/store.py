"""The runs of a deployment: a folder each, with its events, log, command and result."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically

KEPT_RUNS = 50


@dataclass(frozen=True, slots=True)
class Run:
    """One run's folder; its name is its id: UTC time and verb."""

    path: Path

    @property
    def id(self) -> str:
        """As quoted in the hosts' journals."""
        return self.path.name

    @property
    def events(self) -> Path:
        """What happened, one JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        """What Ansible printed."""
        return self.path / "ansible.log"

    def result(self) -> dict[str, Any]:
        """The recorded result; empty for a run that was killed."""
        with contextlib.suppress(OSError, ValueError):
            loaded = json.loads((self.path / "result.json").read_text())
            if isinstance(loaded, dict):
                return loaded
        return {}

    def about(self) -> dict[str, Any]:
        """What the run set out to do, as written at its start."""
        with contextlib.suppress(OSError, ValueError):
            loaded = json.loads((self.path / "run.json").read_text())
            if isinstance(loaded, dict):
                return loaded
        return {}

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write one of the run's JSON files."""
        self.write_text(name, json.dumps(content, indent=1, sort_keys=True) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write one of the run's files; raises DeployError if it cannot be written."""
        try:
            write_atomically(self.path / name, text)
        except OSError as error:
            raise DeployError(
                f"{self.path / name} cannot be written: {error.strerror}",
                "Make room there, then carry on with `sugar-deploy apply --resume`",
            ) from error


def new_run(runs: Path, verb: str) -> Run:
    """A fresh run's folder; the verb's oldest beyond KEPT_RUNS are removed."""
    runs.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f".{time.time_ns() // 1_000_000 % 1000:03d}Z"
        path = runs / f"{stamp}-{verb}"
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            break
        time.sleep(0.001)
    # Each verb has its own fifty: many a `plan` must not make a server's last `apply` forgotten.
    for old in [run for run in all_runs(runs) if run.id.endswith(f"-{verb}")][KEPT_RUNS:]:
        shutil.rmtree(old.path, ignore_errors=True)
    return Run(path)


def all_runs(runs: Path) -> list[Run]:
    """Every run, the newest first."""
    if not runs.is_dir():
        return []
    return [Run(path) for path in sorted(runs.iterdir(), reverse=True) if path.is_dir()]


def interrupted_chain(runs: Path) -> list[str]:
    """Ids of the latest apply and of those before it that it resumed; empty if that apply was completed.

    Only these runs' records on a host may be trusted by --resume.
    """
    for run in all_runs(runs):
        about = run.about()
        if about.get("verb") != "apply":
            continue
        if run.result().get("status") == "done":
            return []
        resumes = about.get("resumes")
        return [run.id, *map(str, resumes if isinstance(resumes, list) else ())]
    return []
