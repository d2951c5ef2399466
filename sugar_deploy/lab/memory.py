"""How much memory a container may take in all: held by the kernel, without swap, as a small machine has none.

The memory controller is in the unified hierarchy, or in one of its own where the host still has the older kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import cgroups
from sugar_deploy.lab.process import execute

OLDER = Path("/sys/fs/cgroup/memory")
"""The older kind, in the host's mount namespace."""
_MOUNTED = Path("/run/sugar-deploy/memory")
"""The same in the supervisor's, where the unified hierarchy hides it."""
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """What a container has taken, as the kernel counts it."""

    limit_mib: float
    processes_mib: float
    """Of the processes now, without what is only a copy of files."""
    kills: int
    """How often the kernel ended a process because nothing was left, since it was switched on."""


def mount_private() -> None:
    """Let this mount namespace find the older hierarchy, where it has the memory controller."""
    if "memory" in (cgroups.ROOT / "cgroup.controllers").read_text(encoding="ascii").split():
        return
    _MOUNTED.mkdir(parents=True, exist_ok=True)
    execute(
        ("mount", "-t", "cgroup", "-o", "memory", "cgroup", str(_MOUNTED)),
        remedy="This kernel cannot hold containers to their memory: do without --memory, or use --backend qemu-tcg",
    )


def hold(identity: str, machine: str, mib: int) -> Path:
    """The group whose processes have MIB in all; in the supervisor's namespaces."""
    if not _MOUNTED.is_mount():
        group = cgroups.group(identity, machine)
        for above in (group.parent.parent, group.parent):
            _write(above / "cgroup.subtree_control", "+memory")
        _write(group / "memory.swap.max", "0", needed=False)  # absent where the kernel knows no swap
        _write(group / "memory.max", str(mib * _MIB))
        return group
    group = _MOUNTED / f"{cgroups.PREFIX}{identity}" / machine
    group.mkdir(parents=True, exist_ok=True)
    _write(group / "memory.limit_in_bytes", str(mib * _MIB))
    _write(group / "memory.memsw.limit_in_bytes", str(mib * _MIB), needed=False)
    return group


def _write(file: Path, text: str, *, needed: bool = True) -> None:
    if not needed and not file.exists():
        return
    try:
        file.write_text(text, encoding="ascii")
    except OSError as error:
        raise DeployError(f"{file}: {error.strerror}", "Do without --memory, or use --backend qemu-tcg") from error


def release(identity: str, machine: str = "") -> None:
    """Remove the older hierarchy's group of a machine that is off, or those of a lab; there may be none."""
    for root in (_MOUNTED, OLDER):
        cgroups.remove(root / f"{cgroups.PREFIX}{identity}" / machine)


def taken(identity: str, machine: str) -> Taken:
    """What a machine that is held to its memory has taken; asked from the host's namespaces."""
    name = Path(f"{cgroups.PREFIX}{identity}", machine)
    root = cgroups.host_root()
    if (OLDER / name).exists():
        group, limit, kills, processes = OLDER / name, "memory.limit_in_bytes", "memory.oom_control", "total_rss"
    elif root is not None and (root / name / "memory.max").exists():
        group, limit, kills, processes = root / name, "memory.max", "memory.events", "anon"
    else:
        raise DeployError(f"{machine} is not held to any memory", "Bring the lab up with --memory MIB")
    return Taken(
        int((group / limit).read_text(encoding="ascii")) / _MIB,
        _numbers(group / "memory.stat")[processes] / _MIB,
        _numbers(group / kills)["oom_kill"],
    )


def _numbers(file: Path) -> dict[str, int]:
    return {name: int(value) for name, value in map(str.split, file.read_text(encoding="ascii").splitlines())}
