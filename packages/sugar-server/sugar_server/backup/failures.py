# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a laptop did not get another one's backups: from the service that gives them to the teacher's pages.

A failure is a file below the backups, which the daemon may read, named by the new laptop's identity: the reason in a
word, as of the latest attempt.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

_FOLDER = "failed-adoptions"
BUSY, GONE, FULL, OTHER = WORDS = ("busy", "gone", "full", "other")
"""One of the two never stopped backing up, or has no backups or registration any more; the disk is full; the journal
tells."""


def reason_of(error: Exception) -> str:
    """The word for what the file system or the database said."""
    return FULL if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) else OTHER


def note(backups: Path, new: str, reason: str) -> None:
    """Notes that the laptop NEW did not get the backups that were meant for it."""
    folder = backups / _FOLDER
    with contextlib.suppress(OSError):  # on a full disk the journal has to do
        folder.mkdir(mode=0o750, exist_ok=True)
        fresh = folder / f".{new}"
        fresh.write_text(reason)
        fresh.replace(folder / new)


def forget(backups: Path, new: str) -> None:
    """Removes what is noted of a laptop."""
    (backups / _FOLDER / new).unlink(missing_ok=True)


def noted(backups: Path, new: str) -> tuple[float, str] | None:
    """When and why a laptop did not get what was meant for it, in seconds since 1970; None if nothing failed."""
    path = backups / _FOLDER / new
    try:
        reason = path.read_text()
        return path.stat().st_mtime, reason if reason in WORDS else OTHER
    except (OSError, ValueError):
        return None
