# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens for a laptop that is let in: one transfer, and what goes before and after it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, TypeVar

from sugar_server.backup import room, sandbox, snapshots
from sugar_server.backup.homes import Busy, Home, Homes, try_lock
from sugar_server.backup.pipe import Streams, run
from sugar_server.backup.settings import BackupSettings
from sugar_server.backup.transfer import Completion, Download, Listing, Request, Upload

_log = logging.getLogger(__name__)
_SECONDS_TO_WAIT = 100
"""For another session in the same home: less than ds-backup's patience of 160 s."""
_RECEIVER = ("--munge-links", "--chmod=D0750,F0640")
"""Links are stored so that they lead nowhere; modes so that this server can read what it keeps."""
T = TypeVar("T")


class Failed(Exception):
    """The request failed; the message is what the laptop is told."""


class NoRoom(Failed):
    """It failed because the disk is full."""


@dataclass(frozen=True)
class Session:
    """One request of one laptop."""

    homes: Homes
    settings: BackupSettings
    identity: str
    serial: str
    clock: Callable[[], float] = time.time

    async def do(self, request: Request, streams: Streams) -> int:
        """Serves the request and returns the exit status; Failed with the reason where that is known."""
        try:
            if isinstance(request, Upload):
                return await self._upload(request, streams)
            if isinstance(request, Completion):
                return await self._complete(request, streams)
            if isinstance(request, Download):
                return await self._download(request, streams)
            assert isinstance(request, Listing)
            return await self._list(streams)
        except Busy as error:
            raise Failed(str(error)) from error
        except OSError as error:
            _log.error("The backup of %s failed: %s", self.serial, error)
            raise Failed(f"the server cannot store it: {error.strerror}") from error

    async def _upload(self, request: Upload, streams: Streams) -> int:
        async with self._home() as home:
            self._require_room()
            folder = home.path / request.folder
            journal = folder == home.current
            if journal:
                await _apart(snapshots.prepare, home, self.clock())
            options = ("--server", *request.options, *_RECEIVER, ".", "./")
            began = _began(home)
            try:
                status = await self._rsync(folder, options, streams)
                if status != 0:
                    self._require_room()
                return status
            except NoRoom:
                await _apart(snapshots.give_back, folder, began)
                raise
            finally:
                if journal:
                    await _apart(snapshots.settle, home, self.clock())

    async def _complete(self, request: Completion, streams: Streams) -> int:
        async with self._home() as home:
            with self._scratch() as folder:
                options = ("--server", *request.options, "--munge-links", ".", f"./{self.serial}")
                status = await self._rsync(folder, options, streams, largest_file=0)
                if status == 0 and not _is_marker(folder, self.serial):
                    raise Failed("the marker is not an empty file")
            if status == 0:
                name = await _apart(snapshots.take, home, self.clock())
                _log.info("Backed up %s: %s in %s.", self.serial, name, home.identity)
            return status

    async def _download(self, request: Download, streams: Streams) -> int:
        async with self._home() as home:
            if request.snapshot not in snapshots.names(home):
                raise Failed(f"there is no snapshot {request.snapshot}")
            options = ("--server", "--sender", *request.options, "--munge-links", ".", "./")
            return await self._rsync(home.path / request.snapshot, options, streams, writable=False)

    async def _list(self, streams: Streams) -> int:
        home = self.homes.of(self.identity)
        listing = await _apart(listed, home)
        streams.write((json.dumps(listing) + "\n").encode())
        return 0

    async def _rsync(
        self,
        folder: Path,
        options: tuple[str, ...],
        streams: Streams,
        *,
        writable: bool = True,
        largest_file: int | None = None,
    ) -> int:
        if self.settings.sandbox:
            argv = sandbox.argv(folder, options, writable=writable, largest_file=largest_file)
        else:
            argv = sandbox.argv_unconfined(options, largest_file)
        return await run(argv, folder, streams, self._require_room if writable else None)

    def _require_room(self) -> None:
        """Ends what would fill the disk to its brim: the last room is for what keeps the server alive."""
        if room.is_spent(self.homes.folder, self.settings.reserve_mib):
            raise NoRoom("the server's disk is full")

    @contextlib.asynccontextmanager
    async def _home(self) -> AsyncIterator[Home]:
        """The laptop's home, alone in it."""
        deadline = time.monotonic() + _SECONDS_TO_WAIT
        with self.homes.lock_file(self.identity) as lock:
            while not try_lock(lock):
                if time.monotonic() >= deadline:
                    raise Busy("another backup of this laptop is under way")
                await asyncio.sleep(0.2)
            yield await _apart(self.homes.enter, self.identity, self.serial)

    @contextlib.contextmanager
    def _scratch(self) -> Any:
        incoming = self.homes.folder / "incoming"
        incoming.mkdir(mode=0o750, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=incoming))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def listed(home: Home) -> list[dict[str, Any]]:
    """The snapshots of a home for programs, the newest first."""
    return [
        {"snapshot": name, "entries": snapshots.count_entries(home.path / name)}
        for name in reversed(snapshots.names(home))
    ]


def _began(home: Home) -> int:
    """Now, as the file system counts it in nanoseconds."""
    path = home.path / ".session"
    path.touch()
    return path.stat().st_ctime_ns


def _is_marker(folder: Path, serial: str) -> bool:
    if [path.name for path in folder.iterdir()] != [serial]:
        return False
    status = (folder / serial).lstat()
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


async def _apart(function: Callable[..., T], *arguments: Any) -> T:
    """Runs it in a thread: the other laptops' sessions go on."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
