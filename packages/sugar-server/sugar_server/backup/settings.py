# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the backups: [backup] in the settings files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from sugar_server.values import Keys, boolean, mebibytes, path, whole

_percent = whole(1, 100, "per cent")

KEYS: Keys = {
    "enabled": boolean,
    "folder": path,
    "port": whole(1, 65535, "a TCP port"),
    "sandbox": boolean,
    "most_load": whole(1, 1000, "the load average"),
    "most_used_percent": _percent,
    "most_recent_laptops": whole(1, 100000, "laptops"),
    "recent_minutes": whole(1, 1440, "minutes"),
    "most_sessions": whole(1, 1000, "sessions"),
    "reserve_mib": mebibytes,
    "quota_percent": _percent,
    "keep_days": whole(1, 36500, "days"),
    "child_quota_mib": mebibytes,
}


_MIB_OF_A_SESSION = 32
"""Of the machine's memory. bubblewrap and rsync take 2 of them for a usual Journal; rsync some hundred bytes more for
each file of a very large one."""
_MOST_SESSIONS = 20


def fitting_sessions() -> int:
    """How many transfers this machine bears at once: 8 with 256 MiB, 20 from 640 MiB on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return max(2, min(_MOST_SESSIONS, memory // _MIB_OF_A_SESSION))


@dataclass(frozen=True)
class BackupSettings:
    """When backups are taken and how long they are kept, checked."""

    enabled: bool = True
    folder: str = "/var/lib/sugar-backup"
    port: int = 2222
    """Where a laptop of today finds the service; the socket's unit opens it."""
    sandbox: bool = True
    most_load: int = 5
    most_used_percent: int = 90
    """Of the file system's blocks, and of its inodes."""
    most_recent_laptops: int = 10
    recent_minutes: int = 5
    most_sessions: int = field(default_factory=fitting_sessions)
    reserve_mib: int = 256 * 1024 * 1024
    """In bytes: a transfer ends when less is free."""
    quota_percent: int = 70
    keep_days: int = 90
    child_quota_mib: int = 0
    """In bytes; 0: none but an equal share of what quota_percent leaves."""
