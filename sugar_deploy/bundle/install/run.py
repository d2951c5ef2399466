"""An installation from a stick, step by step: examine, take, apply, record. Nothing changes before all is proved."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sugar_deploy.bundle.install import clock, order, project, trust
from sugar_deploy.bundle.install.server import Installed, Server
from sugar_deploy.bundle.install.stick import find, reading, require_whole
from sugar_deploy.bundle.install.take import Report, Taking, repository_files, require_parts
from sugar_deploy.bundle.install.tool import Tool, install_tool, running, tool_of
from sugar_deploy.bundle.layout import KEY, PROJECT, Layout
from sugar_deploy.bundle.manifest import Manifest
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import write_atomically
from sugar_deploy.run.execute import Watch
from sugar_deploy.run.job import Job, Outcome, run_job
from sugar_deploy.run.lock import deployment_lock

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HANDED_OVER = "SUGAR_DEPLOY_INSTALL_TOOL"
"""Names the version that one sugar-deploy has installed and handed over to, so that they do not do so for ever."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    path: Path
    school: str | None = None
    fingerprint: str | None = None
    set_clock: bool = False
    allow_older: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that may be installed here: proved up to its manifest, in turn, and whole by its sizes."""

    layout: Layout
    proof: trust.Proof
    school: str
    has: int | None
    """The number of the bundle that the server has."""
    tool: Tool

    @property
    def manifest(self) -> Manifest:
        """What the bundle is and holds."""
        return self.proof.manifest


@dataclass(frozen=True, slots=True)
class Given:
    """What is applied: by which manifest, as which school, and the keys that are trusted from then on."""

    manifest: Manifest
    school: str
    keys: str


def locked(server: Server, path: Path) -> AbstractContextManager[int]:
    """One installation at a time on this server."""
    return deployment_lock(server.lock, f"install {path}")


def require_root() -> None:
    """Refuse to begin what only root can end."""
    if os.geteuid() != 0:
        raise UsageError("installing needs root's rights", "Run it as root: sudo sugar-deploy install …")


def examine(server: Server, wish: Wish) -> Bundle:
    """Decide whether a bundle may be installed here; changes nothing, but for the clock where that is asked for."""
    layout = find(wish.path)
    with reading(layout.root):
        first = trust.peek(layout)
        order.require_deployment(first, server.deployment())
        least = max(first.created, clock.signed_at(layout.signature.read_text(errors="replace")) or first.created)
    if not wish.set_clock:
        clock.require_time(datetime.now(UTC), least, f"sugar-deploy install {wish.path}")
    with clock.set_forward(least) if wish.set_clock else nullcontext(), reading(layout.root):
        proof = trust.proved(layout, server, first.deployment)
        if proof.manifest != first:
            raise DeployError("the bundle has changed while it was read", "Run the same command again")
        if wish.fingerprint is not None:
            trust.require_fingerprint(proof.signers, wish.fingerprint)
            proof = replace(proof, known=True)
    return _fitting(server, wish, layout, proof)


def _fitting(server: Server, wish: Wish, layout: Layout, proof: trust.Proof) -> Bundle:
    installed, in_use, manifest = server.installed(), server.in_use(), proof.manifest
    suite, architecture = server.suite(), server.architecture()
    order.require_system(manifest, suite, architecture)
    school = order.choose_school(manifest, wish.school, installed)
    order.require_turn(manifest, in_use, allow_older=wish.allow_older)
    require_parts(manifest)
    require_whole(layout, manifest)
    tool = tool_of(layout, manifest, suite, architecture)
    return Bundle(layout, proof, school, in_use.serial if in_use else None, tool)


def take(server: Server, bundle: Bundle, report: Report) -> Taking:
    """Prove every file of the bundle, and have what is needed on the server's own disk."""
    besides = frozenset({PROJECT}) | (frozenset() if _current(server, bundle) else bundle.tool.files)
    taking = Taking(bundle.layout, server, bundle.manifest, besides, report)
    taking.run()
    write_atomically(server.incoming / KEY, bundle.proof.keys)
    return taking


def _current(server: Server, bundle: Bundle) -> bool:
    return running(server) == bundle.tool.name


def newer_tool(server: Server, bundle: Bundle, taking: Taking) -> Path | None:
    """The command of the bundle's own sugar-deploy, installed now; None if it is the one that runs."""
    if _current(server, bundle):
        return None
    if os.environ.get(HANDED_OVER) == bundle.tool.name:
        raise DeployError(
            f"sugar-deploy {bundle.tool.name} is installed, but another one answers from {sys.prefix}",
            f"Remove {server.tools / bundle.tool.name} and run the same command again",
        )
    return install_tool(server, bundle.tool, server.incoming, taking.repository, server.incoming / KEY)


def lay_out(server: Server, bundle: Bundle, taking: Taking) -> Given:
    """Have on the server's disk all that is applied of a bundle that was taken."""
    files = repository_files(bundle.manifest)
    project.lay_out(server.incoming / PROJECT, server.project, bundle.school, taking.place(), files)
    shutil.rmtree(server.incoming, ignore_errors=True)
    return Given(bundle.manifest, bundle.school, bundle.proof.keys)


def apply(
    server: Server,
    given: Given,
    watch: Watch,
    *,
    environment: Mapping[str, str],
    held: int | None = None,
    verbosity: int = 0,
) -> Outcome:
    """Apply the project that is laid out on this machine and, if that succeeded, record what it came with."""
    job = Job(
        project=server.project,
        runs=server.runs,
        schools=(given.school,),
        owner=f"sugar-deploy install on {socket.gethostname()}",
        verb="install",
        snapshot=given.manifest.snapshot,
        # This is root already; a small server has no sudo.
        variables={"ansible_become": False},
        local=True,
        verbosity=verbosity,
    )
    outcome = run_job(job, watch, environment=_environment(environment), held=held)
    if outcome.status == "done":
        _record(server, given)
    return outcome


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`su` without a dash leaves out the folders where dpkg's programs are."""
    return {"HOME": "/root", **environment, "PATH": PATH}


def _record(server: Server, given: Given) -> None:
    """The keys first: a record without them would still be read with apt's own copy."""
    manifest = given.manifest
    pinned = server.pinned(manifest.deployment)
    pinned.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_atomically(pinned, given.keys, 0o644)
    server.record_installed(
        Installed(
            deployment=manifest.deployment,
            school=given.school,
            snapshot=manifest.snapshot,
            serial=manifest.serial,
            fingerprints=manifest.fingerprints,
            installed_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        )
    )
    # What the image would make of this machine is behind it, whichever way it came here.
    shutil.rmtree(server.first, ignore_errors=True)
