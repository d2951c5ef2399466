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
from pathlib import Path

from sugar_server.backup import sandbox, snapshots
from sugar_server.backup.homes import Busy, Homes
from sugar_server.backup.registered import Registrations
from sugar_server.backup.settings import BackupSettings
from sugar_server.notify import notify, watchdog_seconds

_log = logging.getLogger(__name__)
_HOST_KEYS = (("ed25519",), ("rsa", "-b", "3072"), ("ecdsa", "-b", "256"))


def run(settings: BackupSettings, state: Path, sockets: list[socket.socket]) -> None:
    """Serves until it is told to stop; raises NoSandbox where it may not begin."""
    if settings.sandbox:
        sandbox.check()
    else:
        _log.warning("Transfers are not confined: sandbox = no.")
    asyncio.run(_serve(settings, state, sockets))


async def _serve(settings: BackupSettings, state: Path, sockets: list[socket.socket]) -> None:
    from sugar_server.backup.ssh import Service, read_keys

    folder = Path(settings.folder)
    homes = Homes(folder)
    clear(homes)
    service = Service(homes, Registrations(state), settings, read_keys(host_keys(folder)))
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    acceptors = [await service.listen(listening) for listening in sockets]
    for listening in sockets:
        _log.info("Taking backups on %s port %s.", *listening.getsockname()[:2])
    notify("READY=1")
    while not ended.is_set():
        notify("WATCHDOG=1")
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), (watchdog_seconds() or 3600) / 3)
    notify("STOPPING=1")
    for acceptor in acceptors:
        acceptor.close()


def clear(homes: Homes) -> None:
    """Puts away what an earlier run left when it was ended in the middle."""
    shutil.rmtree(homes.folder / "incoming", ignore_errors=True)
    for home in homes.all():
        with contextlib.suppress(Busy), homes.locked(home.identity):
            try:
                snapshots.tidy(home, time.time())
            except (OSError, subprocess.CalledProcessError) as error:
                _log.error("%s cannot be tidied: %s", home.path, error)


def host_keys(folder: Path) -> list[Path]:
    """The service's own keys, made at its first start: RSA for OpenSSH before 5.7, which knows nothing newer."""
    place = folder / "keys"
    place.mkdir(mode=0o700, exist_ok=True)
    paths = []
    for kind, *options in _HOST_KEYS:
        path = place / f"ssh_host_{kind}_key"
        if not path.exists():
            new = path.with_name(path.name + ".new")
            for old in (new, new.with_name(new.name + ".pub")):
                old.unlink(missing_ok=True)
            subprocess.run(
                ["ssh-keygen", "-q", "-t", kind, *options, "-N", "", "-C", "sugar-server", "-f", str(new)], check=True
            )
            new.with_name(new.name + ".pub").replace(path.with_name(path.name + ".pub"))
            new.replace(path)
        paths.append(path)
    return paths
