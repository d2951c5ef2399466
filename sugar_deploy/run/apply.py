"""Brings servers to their described state, or shows what that would change."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.run.execute import Watch
from sugar_deploy.run.job import Job, Outcome, run_job
from sugar_deploy.run.journal import phase_hashes
from sugar_deploy.run.lock import deployment_lock
from sugar_deploy.scenario.plan import Host, Plan


@dataclass(frozen=True, slots=True)
class Request:
    """What the deployer asked for."""

    folder: Folder
    verb: str = "apply"
    limit: tuple[str, ...] = ()
    local: bool = False
    resume: bool = False
    private_key: Path | None = None
    verbosity: int = 0


def select(plan: Plan, limit: Sequence[str]) -> tuple[Host, ...]:
    """The hosts that a limit names; raises UsageError for an unknown one or for none at all."""
    wanted = {name.strip() for part in limit for name in part.split(",") if name.strip()}
    if limit and not wanted:
        # An empty variable in a script must not mean all schools.
        raise UsageError("--limit names no school", "Name one, or leave --limit out for all schools")
    known = {host.name for host in plan.hosts}
    if unknown := sorted(wanted - known):
        raise UsageError(
            f"no school is called {', '.join(unknown[:20])}{' …' if len(unknown) > 20 else ''}",
            f"Schools of this deployment: {', '.join(sorted(known)[:20])}{' …' if len(known) > 20 else ''}",
        )
    if not known:
        raise UsageError("the deployment has no schools", "Add one under `schools:` in deployment.yml")
    return tuple(host for host in plan.hosts if not wanted or host.name in wanted)


def private_key(request: Request) -> Path | None:
    """The SSH key to use: the one asked for, else the deployment's own; None leaves it to ssh."""
    if request.private_key:
        return request.private_key.resolve()
    own = folder_key(request.folder)
    return own.resolve() if own.exists() else None


def folder_key(folder: Folder) -> Path:
    """The deployment's own SSH key, made by `host add` or by the lab."""
    return folder.state / "id_ed25519"


def _owner(folder: Folder) -> str:
    return f"{folder.root.resolve()} on {socket.gethostname()}"


def locked(request: Request) -> AbstractContextManager[int]:
    """The deployment's lock, to be held from before the project is rendered until the run has ended."""
    return deployment_lock(request.folder.lock, f"{request.verb} {','.join(request.limit)[:200] or 'all schools'}")


def run_playbook(
    request: Request,
    plan: Plan,
    watch: Watch,
    *,
    environment: dict[str, str],
    held: int | None = None,
    playbook: str = "site.yml",
    variables: Mapping[str, Any] = MappingProxyType({}),
) -> Outcome:
    """Run a playbook of the rendered project, for the verb `plan` only as a pretence.

    The caller holds the deployment's lock.
    """
    folder = request.folder
    hosts = select(plan, request.limit)
    if request.local and len(hosts) != 1:
        raise UsageError(
            f"--local applies one school to this machine, and {len(hosts)} are selected",
            "Name the school that this machine is, with --limit",
        )
    # Fails here, with a remedy, where the vault's password is needed and missing.
    secrets = Secrets(folder, plan.deployment.name)
    secrets.become_passwords()
    job = Job(
        project=folder.rendered.resolve(),
        runs=folder.runs,
        schools=tuple(host.name for host in hosts),
        every=len(hosts) == len(plan.hosts),
        verb=request.verb,
        playbook=playbook,
        variables=variables,
        owner=_owner(folder),
        snapshot=_snapshot(folder),
        phases=phase_hashes(folder.rendered, hosts),
        local=request.local,
        resume=request.resume,
        private_key=private_key(request),
        vault_password_file=secrets.existing_password_file(),
        secrets=secrets.values(),
        verbosity=request.verbosity,
    )
    return run_job(job, watch, environment=environment, held=held)


def _snapshot(folder: Folder) -> str:
    try:
        return (folder.published / "snapshot").read_text().strip()
    except OSError:
        return ""


def environment() -> dict[str, str]:
    """This process's environment."""
    return dict(os.environ)
