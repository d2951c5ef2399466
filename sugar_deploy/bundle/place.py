"""The place to write to: a stick's mount point, or a folder that stands for one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sugar_deploy.bundle.device import told
from sugar_deploy.bundle.filesystem import Filesystem, detect, fitted, size_in_bytes
from sugar_deploy.bundle.layout import FOLDER, Layout
from sugar_deploy.bundle.resume import present, refuse_foreign
from sugar_deploy.errors import UsageError

MOUNTED_BELOW = (Path("/media"), Path("/mnt"), Path("/run/media"))
"""Where sticks are mounted: a folder there that no mount is behind is a mistyped one, or its stick is not there."""


def place(layout: Layout, kind: str, capacity: str | None) -> Filesystem:
    """The filesystem to plan for; nothing is changed yet. Raises UsageError for what is no place to write to.

    What a former bundle takes there counts as free: it is used again, or goes.
    """
    size = size_in_bytes(capacity) if capacity else None
    found = _required(layout.root)
    with told(layout.root):
        refuse_foreign(layout)
        former = present(layout)
    room = found.room((f"{FOLDER}/{path}", length) for path, length in former.items()) if former else 0
    free_files = None if found.free_files is None else found.free_files + len(former)
    return fitted(
        replace(found, free=found.free + room, free_files=free_files), None if kind == "auto" else kind, size
    )


def make(root: Path) -> None:
    """Make the folder if it is missing: not before all else is known to be right.

    It is looked at once more, because a stick may have been taken away since.
    """
    _required(root)
    with told(root):
        root.mkdir(exist_ok=True)


def _required(root: Path) -> Filesystem:
    """The filesystem of a folder, or of the one that it will be made in; only the last part may be missing."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is no folder", "Mount the stick, and name the folder where it is mounted")
    if not root.parent.is_dir():
        raise UsageError(f"there is no folder {root.parent}", "Name the folder where the stick is mounted")
    with told(root):
        found = detect(root if root.exists() else root.parent)
        real = root.resolve()
    for top in MOUNTED_BELOW:
        if real.is_relative_to(top) and not (found.mount and Path(found.mount).is_relative_to(top)):
            raise UsageError(
                f"nothing is mounted at {root}: this would be written to the disk of this machine",
                "Mount the stick, and name the folder where it is mounted (findmnt shows it); or name a folder "
                f"that is not below {top}, to copy it later",
            )
    return found
