"""Backups of whole school servers, and their restore onto new hardware: playbooks of the rendered project."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.run.apply import Request, environment, run_playbook
from sugar_deploy.run.execute import Watch
from sugar_deploy.run.job import Outcome
from sugar_deploy.scenario.plan import Plan


@dataclass(frozen=True, slots=True)
class SchoolBackup:
    """A school's latest backup, as its manifest tells."""

    school: str
    folder: Path
    date: str
    """UTC, as 2026-11-26T170000Z: its name, too."""
    files: int
    size: int
    """In bytes; files of one content that are linked count once."""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"folder": str(self.folder), "date": self.date, "files": self.files, "bytes": self.size}


def latest_backup(base: Path, school: str) -> SchoolBackup | None:
    """The newest backup of a school in this folder; None if there is none."""
    folder = base / school
    manifests = sorted(folder.glob("????-??-??T??????Z.json"))
    if not manifests:
        return None
    try:
        told = json.loads(manifests[-1].read_text(encoding="utf-8"))
        trees = told["bulk"]
        return SchoolBackup(
            school,
            folder,
            date=told["made_at"],
            files=sum(tree["files"] for tree in trees),
            size=told["state"]["size"] + sum(tree["bytes"] for tree in trees),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeployError(
            f"{manifests[-1]} is damaged ({error})", "Remove it: the backup of the date before it counts then"
        ) from error


def require_backup(base: Path, school: str) -> None:
    """Raise UsageError unless there is a backup of the school in this folder."""
    if latest_backup(base, school) is None:
        raise UsageError(
            f"{base} holds no backup of {school}", "Name the folder that `sugar-deploy backup` wrote, with --from"
        )


def back_up(request: Request, plan: Plan, watch: Watch, *, to: Path, check: bool, held: int) -> Outcome:
    """Save the request's schools below TO; with CHECK every byte is compared, not only sizes and times."""
    variables = {"sugar_deploy_backups": str(to.resolve()), "sugar_deploy_check_bytes": check}
    return run_playbook(
        request, plan, watch, environment=environment(), held=held, playbook="backup.yml", variables=variables
    )


@dataclass(frozen=True, slots=True)
class Restoring:
    """Which backup, and what the deployer has allowed."""

    source: Path
    date: str = ""
    """The latest where it is empty."""
    replace: bool = False
    damaged_too: bool = False


def bring_back(request: Request, plan: Plan, watch: Watch, wanted: Restoring, *, held: int) -> Outcome:
    """Restore the request's one school from the folder's backup of it, and apply."""
    variables = {
        "sugar_deploy_backups": str(wanted.source.resolve()),
        "sugar_deploy_date": wanted.date,
        "sugar_deploy_replace": wanted.replace,
        "sugar_deploy_damaged_too": wanted.damaged_too,
    }
    return run_playbook(
        request, plan, watch, environment=environment(), held=held, playbook="restore.yml", variables=variables
    )
