# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the daemon can do its work: is the database writable, is there room on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sugar_server import __version__
from sugar_server.database import UnusableDatabase, probe
from sugar_server.registration.store import NAME


def examine(folder: Path, minimum_free_bytes: int, writer_alive: bool, known: Sequence[str] = ()) -> dict[str, Any]:
    """The health report; `status` is "ok", or "unhealthy" with the reasons in `problems`, those KNOWN included."""
    problems = list(known)
    count = _count(folder / NAME, problems)
    if not writer_alive:
        problems.append("registrations are not being written: restart sugar-server")
    free = _free(folder, problems)
    if free is not None and free < minimum_free_bytes:
        problems.append(f"the disk is nearly full: {free // 2**20} MiB free, {minimum_free_bytes // 2**20} needed")
    return {
        "status": "unhealthy" if problems else "ok",
        "version": __version__,
        "registrations": count,
        "disk_free_bytes": free,
        "database_writable": count is not None,
        "problems": problems,
    }


def _count(path: Path, problems: list[str]) -> int | None:
    """The number of registrations, asked on a connection of its own that proves that it could write."""
    try:
        found = probe(path, "SELECT count(*) AS count FROM registrations", "DELETE FROM held WHERE fingerprint = ''")
        return int(found[0]["count"])
    except UnusableDatabase as error:
        problems.append(f"the database is not writable: {error}")
        return None


def _free(folder: Path, problems: list[str]) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        problems.append(f"the state folder cannot be examined: {error.strerror}")
        return None
