# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the application on systemd's sockets, or on addresses given by hand."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sugar_server.app import Daemon
from sugar_server.config import Config
from sugar_server.database.keeper import InUse, Keeper, Occupied
from sugar_server.notify import notify, passed_sockets, watchdog_seconds
from sugar_server.registration.store import Store
from sugar_server.writer import Writer

_log = logging.getLogger(__name__)
_BACKLOG = 4096
_MOST_CONNECTIONS = 2000
_SECONDS_TO_ASK = 30.0
_SECONDS_KEPT_ALIVE = 5


class CannotServe(Exception):
    """The daemon cannot start; the message says why and what to do."""


class _Protocol(H11Protocol):  # type: ignore[misc,unused-ignore]
    """Hangs up on who connects and asks nothing, or begins and does not end: uvicorn waits for ever."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        # uvicorn 0.17 keeps this timer, and by it the connection's memory, for seconds after the end.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(_SECONDS_TO_ASK, self._hang_up_unless_busy)

    def _hang_up_unless_busy(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self._be_patient()


class _Server(uvicorn.Server):
    """Tells systemd when it listens, and that it is alive."""

    writer: Writer[Store]
    _pulse: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            notify("READY=1")
            self._pulse = asyncio.get_running_loop().create_task(self._beat())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        notify("STOPPING=1")
        if self._pulse:
            self._pulse.cancel()
        await super().shutdown(sockets=sockets)

    async def _beat(self) -> None:
        seconds = watchdog_seconds()
        while seconds is not None:
            if self.writer.alive:
                notify("WATCHDOG=1")
            await asyncio.sleep(seconds / 3)


def serve(config: Config, folder: Path, addresses: list[str]) -> None:
    """Serves until it is told to stop."""
    _log_to_journal()
    sockets = [_listen(address) for address in addresses] or passed_sockets()
    if not sockets:
        raise CannotServe("No socket to serve. Start sugar-server.socket with systemctl, or give --listen HOST:PORT.")
    with contextlib.ExitStack() as closing:
        closing.enter_context(contextlib.closing(_occupied(folder)))
        writer = closing.enter_context(contextlib.closing(Writer(lambda: Store(folder))))
        keeper = closing.enter_context(contextlib.closing(Keeper(folder)))
        keeper.start()
        server = _Server(_settings(Daemon(config, folder, writer, known_problems=lambda: keeper.problems)))
        server.writer = writer
        assigned = writer.submit(lambda store: store.assign_groups(config.registration.groups))
        assigned.add_done_callback(_tell_failure)
        for listening in sockets:
            host, port = listening.getsockname()[:2]
            _log.info("Serving %s on %s port %s.", config.fqdn, host, port)
        asyncio.run(server.serve(sockets=sockets))


def _tell_failure(work: Future[None]) -> None:
    error = work.exception()
    if error is not None:
        _log.error("The laptops' groups could not be entered: %s", error)


def _occupied(folder: Path) -> Occupied:
    try:
        return Occupied(folder)
    except InUse as error:
        raise CannotServe(str(error)) from error


def _settings(daemon: Daemon) -> uvicorn.Config:
    return uvicorn.Config(
        daemon.app(),
        http=_Protocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=_SECONDS_KEPT_ALIVE,
    )


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio sends small answers at once only where it is told that this is TCP.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), int(port)))
        listening.listen(_BACKLOG)
    except (OSError, ValueError, OverflowError) as error:
        raise CannotServe(f"Cannot listen on {address} ({error}). Give a free HOST:PORT of this machine.") from error
    return listening


class _Priorities(logging.Formatter):
    """Puts the priority before each line, where the journal reads it (sd-daemon(3))."""

    def format(self, record: logging.LogRecord) -> str:
        priority = 3 if record.levelno >= logging.ERROR else 4 if record.levelno >= logging.WARNING else 6
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def _log_to_journal() -> None:
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_Priorities("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # What uvicorn says of malformed requests comes with a traceback: anyone on the LAN could fill the journal.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
