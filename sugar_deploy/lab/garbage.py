"""Clearing away what labs left that were killed with everything that could have done it."""

from __future__ import annotations

import shutil

from sugar_deploy.lab import cgroups, memory
from sugar_deploy.lab.launch import is_alive, is_locked, registry
from sugar_deploy.lab.places import LabPlace, cache_root


def collect() -> list[str]:
    """Remove the folders, disks and control groups of dead labs; their names.

    Their processes, mounts and network namespaces ended with the first process of their PID namespace.
    """
    cleared = []
    with registry() as root:
        for folder in sorted(path for path in root.iterdir() if path.is_dir()):
            place = LabPlace.of(folder.name)
            if not is_alive(place):
                _clear(place)
                cleared.append(folder.name)
        for identity in _strays():
            place = LabPlace.of(identity)
            if not place.root.exists() and not is_locked(place.in_use):
                _clear(place)
    return cleared


def _clear(place: LabPlace) -> None:
    groups = cgroups.host_root()
    if groups is not None:
        # Empty groups only: where something still runs, there is a lab that this one does not know of.
        cgroups.remove(groups / f"{cgroups.PREFIX}{place.identity}")
    memory.release(place.identity)
    shutil.rmtree(place.disks, ignore_errors=True)
    shutil.rmtree(place.root, ignore_errors=True)


def _strays() -> set[str]:
    """Labs of which a disk or a control group is left, as after a reboot."""
    disks = cache_root() / "machines"
    found = {path.name for path in disks.iterdir()} if disks.is_dir() else set()
    groups = cgroups.host_root()
    if groups is not None:
        found |= {path.name.removeprefix(cgroups.PREFIX) for path in groups.glob(f"{cgroups.PREFIX}*")}
    return found
