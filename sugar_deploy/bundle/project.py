"""The rendered Ansible project of the chosen schools, packed: the same input gives the same bytes."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sugar_deploy.folder import Folder
from sugar_deploy.render.draft import walk
from sugar_deploy.render.project import render
from sugar_deploy.scenario.plan import Host, Plan

# What never travels: the repository, which lies beside it on the stick; secrets, even encrypted; and the other
# servers' addresses and host keys, which nobody needs who applies to the machine that he sits at.
_LEFT_OUT = frozenset({"repository", "secrets", "known_hosts"})


def pack_project(plan: Plan, hosts: tuple[Host, ...], folder: Folder, area: Path, published_at: datetime) -> Path:
    """Render the chosen schools' project into AREA and pack it; the archive's path."""
    repository = plan.deployment.repository.model_copy(update={"url": None})
    deployment = plan.deployment.model_copy(update={"repository": repository})
    project = area / "project"
    render(replace(plan, deployment=deployment, hosts=hosts), folder, project)
    archive = area / "project.tar"
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in walk(project):
            if path.parts[0] not in _LEFT_OUT:
                _add(tar, project / path, path.as_posix(), int(published_at.timestamp()))
        tar.addfile(_member("known_hosts", 0o600, int(published_at.timestamp())))
    return archive


def _add(tar: tarfile.TarFile, path: Path, name: str, time: int) -> None:
    member = _member(name, 0o700 if os.access(path, os.X_OK) else 0o600, time)
    member.size = path.stat().st_size
    with path.open("rb") as file:
        tar.addfile(member, file)


def _member(name: str, mode: int, time: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = mode, time
    return member
