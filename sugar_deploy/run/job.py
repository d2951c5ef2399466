"""One run of a rendered project: needs the project and a place for its records, not the deployer's folder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError
from sugar_deploy.run.ansible import Playbook, playbook_argv, shell_line
from sugar_deploy.run.events import HostResult
from sugar_deploy.run.execute import Watch, execute
from sugar_deploy.run.guard import INTERRUPTED
from sugar_deploy.run.store import Run, interrupted_chain, new_run

LIMIT_IN_ARGV = 20
"""More schools than these are named to Ansible in a file."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to run, for which schools, and where to record it."""

    project: Path
    runs: Path
    schools: tuple[str, ...]
    owner: str
    """Who the host's lock says is at work."""
    every: bool = False
    """The schools are all that the project has."""
    verb: str = "apply"
    snapshot: str = ""
    """The repository's snapshot that the project carries."""
    phases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For each school and phase, the hash of its inputs; without it every phase is applied."""
    playbook: str = "site.yml"
    variables: Mapping[str, Any] = field(default_factory=dict)
    """More variables for Ansible, above all others."""
    local: bool = False
    resume: bool = False
    private_key: Path | None = None
    vault_password_file: Path | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts that no log may hold."""
    verbosity: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    run: Run
    status: str
    """done, failed or interrupted."""
    hosts: dict[str, HostResult]
    seconds: float
    snapshot: str
    command: str
    resumed: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed, 130 interrupted."""
        return {"done": 0, "interrupted": INTERRUPTED}.get(self.status, 1)

    def as_dict(self) -> dict[str, Any]:
        """For result.json and --json."""
        return {
            "run": self.run.id,
            "status": self.status,
            "seconds": round(self.seconds, 1),
            "snapshot": self.snapshot,
            "log": str(self.run.log),
            "command": self.command,
            "resumed": list(self.resumed),
            "hosts": {name: result.as_dict() for name, result in sorted(self.hosts.items())},
        }


def run_job(job: Job, watch: Watch, *, environment: Mapping[str, str], held: int | None = None) -> Outcome:
    """Run the job's playbook and record how it went; `held` is the descriptor of a lock that lasts as long."""
    started = time.monotonic()
    resumes = interrupted_chain(job.runs) if job.resume else []
    run = new_run(job.runs, job.verb)
    playbook = _playbook(job, run, resumes)
    about = {"verb": job.verb, "limit": list(job.schools), "resumes": resumes}
    run.write("run.json", about | {"snapshot": job.snapshot})
    exit_status, results = execute(
        playbook, run, environment=environment, secrets=job.secrets, watch=watch, held=held
    )
    _explain_silence(run, exit_status, results)
    for school in job.schools:
        results.setdefault(school, HostResult(school))
    outcome = Outcome(
        run=run,
        status=_status(exit_status, results.values()),
        hosts=results,
        seconds=time.monotonic() - started,
        snapshot=job.snapshot,
        command=shell_line(playbook_argv(playbook)),
        resumed=tuple(resumes),
    )
    run.write("result.json", outcome.as_dict())
    return outcome


def _playbook(job: Job, run: Run, resumes: list[str]) -> Playbook:
    extra = {
        "sugar_deploy_owner": job.owner,
        "sugar_deploy_reason": f"{job.verb}, run {run.id}",
        "sugar_deploy_run": run.id,
        "sugar_deploy_resumes": resumes,
        "sugar_deploy_phases": job.phases,
        **job.variables,
    }
    variables = run.path / "phases.json"
    run.write(variables.name, extra)
    limit = () if job.every else job.schools
    limit_file = (run.path / "limit").resolve() if len(limit) > LIMIT_IN_ARGV else None
    if limit_file:
        run.write_text(limit_file.name, "\n".join(limit) + "\n")
    return Playbook(
        project=job.project,
        name=job.playbook,
        limit=limit,
        limit_file=limit_file,
        check=job.verb == "plan",
        local=job.local,
        private_key=job.private_key,
        vault_password_file=job.vault_password_file,
        extra_vars_file=variables.resolve(),
        verbosity=job.verbosity,
    )


def _status(exit_status: int, hosts: Iterable[HostResult]) -> str:
    if exit_status == INTERRUPTED:
        return "interrupted"
    bad = any(host.failed or host.unreachable or not host.finished for host in hosts)
    return "failed" if exit_status or bad else "done"


def _explain_silence(run: Run, exit_status: int, results: dict[str, HostResult]) -> None:
    """Ansible that failed before it reached any host says why only in its log."""
    if exit_status in {0, INTERRUPTED} or results:
        return
    tail = "\n".join(run.log.read_text(errors="replace").strip().splitlines()[-15:])
    run.write_text("error", tail)
    raise DeployError(f"ansible-playbook ended with status {exit_status} before it reached a host:\n{tail}")
