# SPDX-License-Identifier: GPL-3.0-or-later
"""How full the file system with the backups is."""

from __future__ import annotations

import os
from pathlib import Path


def used_share(folder: Path) -> float:
    """The used share of a file system's blocks or of its inodes, whichever is larger, as df counts it."""
    usage = os.statvfs(folder)
    shares = [0.0]
    for total, free, available in (
        (usage.f_blocks, usage.f_bfree, usage.f_bavail),
        (usage.f_files, usage.f_ffree, usage.f_favail),
    ):
        used = total - free
        if total and used + available:  # some file systems count no inodes
            shares.append(used / (used + available))
    return max(shares)


def is_spent(folder: Path, reserve_bytes: int) -> bool:
    """Whether less than the reserve is left, or hardly an inode."""
    usage = os.statvfs(folder)
    no_inodes = bool(usage.f_files) and usage.f_favail * 200 < usage.f_files
    return usage.f_bavail * usage.f_frsize < reserve_bytes or no_inodes
