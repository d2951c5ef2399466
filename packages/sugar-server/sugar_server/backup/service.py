# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that takes backups: its host keys, its sockets, its beginning and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sugar_server.backup import low_disk, removal, sandbox, snapshots
from sugar_server.backup.homes import Busy, Homes
from sugar_server.backup.registered import Registrations
from sugar_server.backup.settings import BackupSettings
from sugar_server.notify import notify, watchdog_seconds

_log = logging.getLogger(__name__)
_THREADS_OF_A_PLACE = 4
"""So many connections are taken for each place: marks of completion need none, and may not wait for a thread."""


def run(settings: BackupSettings, state: Path, sockets: list[socket.socket]) -> None:
    """Serves until it is told to stop; raises NoSandbox where it may not begin."""
    if settings.sandbox:
        sandbox.check()
    else:
        _log.warning("Transfers are not confined: sandbox = no.")
    asyncio.run(_serve(settings, state, sockets))


async def _serve(settings: BackupSettings, state: Path, sockets: list[socket.socket]) -> None:
    from sugar_server.backup.ssh import Service, host_keys

    folder = Path(settings.folder)
    homes = Homes(folder)
    shutil.rmtree(folder / "incoming", ignore_errors=True)
    clear(homes)
    # A session waits for the disk in a thread: with fewer threads than sessions, those would wait for each other.
    threads = ThreadPoolExecutor(_THREADS_OF_A_PLACE * settings.most_sessions)
    asyncio.get_running_loop().set_default_executor(threads)
    service = Service(homes, Registrations(state), settings, host_keys(folder / "keys"))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    acceptors = [await service.listen(listening) for listening in sockets]
    for listening in sockets:
        _log.info("Taking backups on %s port %s.", *listening.getsockname()[:2])
    watching = asyncio.get_running_loop().create_task(low_disk.watch(homes, settings))
    notify("READY=1")
    while not ended.is_set():
        notify("WATCHDOG=1")
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), (watchdog_seconds() or 3600) / 3)
    notify("STOPPING=1")
    watching.cancel()
    for acceptor in acceptors:
        acceptor.close()


def clear(homes: Homes) -> None:
    """Puts away what was left where something was ended in the middle."""
    removal.finish(homes)
    for home in homes.all():
        with contextlib.suppress(Busy), homes.locked(home.identity):
            try:
                snapshots.tidy(home, time.time())
            except (OSError, subprocess.CalledProcessError) as error:
                _log.error("%s cannot be tidied: %s", home.path, error)
