"""One control group a machine, so that all its processes can be ended at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.lab.process import execute

ROOT = Path("/sys/fs/cgroup")
PREFIX = "sugar-deploy-lab-"


def mount_private() -> None:
    """Give this mount namespace the unified hierarchy, where the host still has the older one."""
    if not (ROOT / "cgroup.procs").exists():
        execute(("mount", "-t", "cgroup2", "cgroup2", str(ROOT)))


def host_root() -> Path | None:
    """Where the unified hierarchy is in the host's own mount namespace."""
    for candidate in (ROOT, ROOT / "unified"):
        if (candidate / "cgroup.procs").exists():
            return candidate
    return None


def group(identity: str, machine: str) -> Path:
    """A machine's group, made if need be."""
    path = ROOT / f"{PREFIX}{identity}" / machine
    path.mkdir(parents=True, exist_ok=True)
    return path


def processes(path: Path) -> list[int]:
    """All processes of the group and those below it, as this PID namespace numbers them."""
    found = []
    for file in path.rglob("cgroup.procs"):
        try:
            found += [int(line) for line in file.read_text(encoding="ascii").split()]
        except OSError:
            continue
    return found


def kill(path: Path, *, seconds: float = 20) -> None:
    """Kill everything in the group at once, as pulling the plug does, and remove the group."""
    if not path.exists():
        return
    try:
        (path / "cgroup.kill").write_text("1", encoding="ascii")
    except FileNotFoundError:  # before Linux 5.14
        for process in processes(path):
            _kill_one(process)
    until = time.monotonic() + seconds
    while populated(path):
        if time.monotonic() > until:
            raise DeployError(f"Processes in {path} do not end", "Look at them: cat cgroup.procs there")
        time.sleep(0.02)
    remove(path)


def _kill_one(process: int) -> None:
    if process > 1:
        try:
            os.kill(process, 9)
        except ProcessLookupError:
            return


def populated(path: Path) -> bool:
    """Whether anything runs in it."""
    try:
        return "populated 1" in (path / "cgroup.events").read_text(encoding="ascii")
    except OSError:
        return False


def remove(path: Path) -> None:
    """Remove the group and those below it, as far as they are empty."""
    groups = sorted((each for each in path.rglob("*") if each.is_dir()), reverse=True)
    for each in (*groups, path):
        try:
            each.rmdir()
        except OSError:
            continue
