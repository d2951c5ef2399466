"""The place to write to: a stick's mount point, or a folder that stands for one."""

from __future__ import annotations

from dataclasses import replace

from sugar_deploy.bundle.device import told
from sugar_deploy.bundle.filesystem import Filesystem, detect, fitted, size_in_bytes
from sugar_deploy.bundle.layout import FOLDER, Layout
from sugar_deploy.bundle.resume import present, refuse_foreign
from sugar_deploy.errors import UsageError


def place(layout: Layout, kind: str, capacity: str | None) -> Filesystem:
    """The filesystem to plan for; the folder is made if only it is missing.

    What a former bundle takes there counts as free: it is used again, or goes.
    """
    size = size_in_bytes(capacity) if capacity else None
    root = layout.root
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is no folder", "Mount the stick, and name the folder where it is mounted")
    if not root.parent.is_dir():
        raise UsageError(f"there is no folder {root.parent}", "Name the folder where the stick is mounted")
    with told(root):
        root.mkdir(exist_ok=True)
        refuse_foreign(layout)
        found = detect(root)
        former = present(layout)
    room = found.room((f"{FOLDER}/{path}", length) for path, length in former.items()) if former else 0
    free_files = None if found.free_files is None else found.free_files + len(former)
    return fitted(
        replace(found, free=found.free + room, free_files=free_files), None if kind == "auto" else kind, size
    )
