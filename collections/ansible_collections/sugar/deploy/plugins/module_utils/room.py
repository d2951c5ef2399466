# SPDX-License-Identifier: GPL-3.0-or-later
"""The room that a restore point and the way back take: asked for before anything is stopped, and held until then."""

from __future__ import annotations

import contextlib
import os

from ansible_collections.sugar.deploy.plugins.module_utils.carried import megabytes

MARGIN_BYTES = 64 << 20
RESERVE = "reserve"


class RestoreError(Exception):
    """The restore point cannot be made or used; the message says why."""


def device(path):
    """The filesystem on which a path is, or would be; of a mount point the one that is mounted there."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.lstat(path).st_dev


def need_bytes(folder, debs, paths):
    """What a restore point takes at most, and the way back: by a place on each filesystem concerned."""
    need = {folder: sum(os.path.getsize(place) for place in debs.values())}
    places = {device(folder): folder}
    for path in paths:
        size = _size(path)
        need[folder] += size
        if device(path) != device(folder):
            # It cannot be renamed: what is there meanwhile is copied over here, while the copy is there already.
            need[folder] += size
            place = places.setdefault(device(path), path if os.path.isdir(path) else os.path.dirname(path))
            need[place] = need.get(place, 0) + size
    return need


def _size(path):
    if not os.path.isdir(path) or os.path.islink(path):
        return os.lstat(path).st_size if os.path.lexists(path) else 0
    # Small files take whole blocks.
    return sum(
        os.lstat(os.path.join(folder, name)).st_size + 4096
        for folder, names, files in os.walk(path)
        for name in names + files
    )


def free_bytes(folder):
    """What may still be written there."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def no_space(folder, need):
    """The complaint."""
    return (
        f"there is not enough free space in {folder} for a restore point: {megabytes(need)} MB are needed and "
        f"{megabytes(free_bytes(folder))} MB are free"
    )


def require_space(folder, debs, paths):
    """Raise RestoreError before anything is stopped or copied."""
    for place, need in need_bytes(folder, debs, paths).items():
        if (need or place == folder) and free_bytes(place) < need + MARGIN_BYTES:
            raise RestoreError(no_space(place, need + MARGIN_BYTES))


def reserve(folder):
    """Take the margin now: an upgrade that fills the disk leaves it for the way back."""
    with open(os.path.join(folder, RESERVE), "wb") as file:
        os.posix_fallocate(file.fileno(), 0, MARGIN_BYTES)


def give_back(folder):
    """Let go of the margin."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder, RESERVE))
