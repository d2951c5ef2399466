# SPDX-License-Identifier: GPL-3.0-or-later
"""Purges as soon as the disk is so full that laptops are turned away, and not only when the timer does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from pathlib import Path

from sugar_server.backup import purge, room
from sugar_server.backup.homes import Busy, Homes
from sugar_server.backup.settings import BackupSettings

_log = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS = 5
_SECONDS_BETWEEN_PURGES = 600
"""If a purge does not help, something else fills the disk: the next one costs as much, and finds as little."""
_LOWEST_PRIORITY = 19


async def watch(homes: Homes, settings: BackupSettings) -> None:
    """Looks at the disk again and again, until it is cancelled."""
    while True:
        seconds = _SECONDS_BETWEEN_LOOKS
        if is_low(settings):
            # A thread of its own, which does not hold up the service's end.
            purging = threading.Thread(target=_purge, args=(homes, settings), name="purge", daemon=True)
            purging.start()
            while purging.is_alive():
                await asyncio.sleep(1)
            seconds = _SECONDS_BETWEEN_PURGES if is_low(settings) else seconds
        await asyncio.sleep(seconds)


def is_low(settings: BackupSettings) -> bool:
    """Whether laptops are turned away, or their transfers ended, for want of room."""
    folder = Path(settings.folder)
    try:
        too_full = room.used_share(folder) * 100 > settings.most_used_percent
        return too_full or room.is_spent(folder, settings.reserve_mib)
    except OSError:
        return False  # whoever backs up is told


def _purge(homes: Homes, settings: BackupSettings) -> None:
    # The sessions go first.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
    count = 0
    try:
        for removal in purge.purge(homes, settings, time.time(), dry_run=False):
            count += 1
            _log.info("The disk is full: removed %s of %s, %s.", removal.snapshot, removal.home.serial, removal.why)
    except Busy:
        return  # the timer's is at work
    except Exception:
        _log.exception("The purge failed.")
        return
    if not count:
        _log.error("The disk is full, and no backup may be removed. Make room below %s.", settings.folder)
