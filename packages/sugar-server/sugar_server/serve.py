# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the application on systemd's sockets, or on addresses given by hand."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sugar_server.antitheft import room as antitheft
from sugar_server.app import Daemon
from sugar_server.config import Config
from sugar_server.crowd import refuse
from sugar_server.database import UnusableDatabase
from sugar_server.database.keeper import InUse, Keeper, Occupied
from sugar_server.listening import BACKLOG, CannotServe, listen, log_to_journal
from sugar_server.notify import notify, watchdog_seconds
from sugar_server.registration.store import Store
from sugar_server.statistics.store import Store as StatisticsStore
from sugar_server.writer import Writer

_log = logging.getLogger(__name__)
_MOST_CONNECTIONS = 2000
_LONGEST_HEAD_BYTES = 8 * 1024
_FIRST_BYTES, _MORE_BYTES = 4 * 1024, 16 * 1024
"""Of one read, before and after it is known what is asked. What a request does not take yet stays in the kernel,
whose memory is not the daemon's."""
_SECONDS_TO_ASK = 30.0
_SECONDS_KEPT_ALIVE = 5


class _Protocol(H11Protocol):  # type: ignore[misc,unused-ignore]
    """Hangs up on who connects and asks nothing, or begins and does not end: uvicorn waits for ever.

    And takes little memory for a connection: uvicorn and asyncio take up to 400 KiB.
    """

    _reading: Any
    """The transport, whose typed interface does not name what asyncio reads at once."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.conn = h11.Connection(h11.SERVER, _LONGEST_HEAD_BYTES)
        self._reading = transport
        transport.max_size = _FIRST_BYTES  # 256 KiB in asyncio
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > _MOST_CONNECTIONS:
            self.app = refuse
        self._be_patient()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None:
            self._reading.max_size = _MORE_BYTES
            if len(self.cycle.body) >= _FIRST_BYTES:
                self.flow.pause_reading()

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

    writers: tuple[Writer[Any], ...]
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
            if all(writer.alive for writer in self.writers):
                notify("WATCHDOG=1")
            await asyncio.sleep(seconds / 3)


def serve(config: Config, folder: Path, addresses: list[str]) -> None:
    """Serves until it is told to stop."""
    log_to_journal()
    # What uvicorn says of malformed requests comes with a traceback: anyone on the LAN could fill the journal.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    sockets = listen(addresses, "sugar-server.socket")
    with contextlib.ExitStack() as ending:
        ending.enter_context(contextlib.closing(_occupied(folder)))
        writer = ending.enter_context(contextlib.closing(Writer(lambda: Store(folder))))
        statistics = ending.enter_context(contextlib.closing(Writer(lambda: StatisticsStore(folder))))
        keeper = ending.enter_context(contextlib.closing(Keeper(folder)))
        keeper.start()
        leases = _leases(ending, folder) if config.antitheft.enabled else None
        daemon = Daemon(
            config,
            folder,
            writer,
            statistics,
            antitheft=leases,
            known_problems=lambda: [*keeper.problems, *(leases.problems if leases else ())],
        )
        server = _Server(_settings(daemon))
        server.writers = (writer, statistics, *([leases.writer] if isinstance(leases, antitheft.Room) else ()))
        assigned = writer.submit(lambda store: store.assign_groups(config.registration.groups))
        assigned.add_done_callback(_tell_failure)
        for listening in sockets:
            host, port = listening.getsockname()[:2]
            _log.info("Serving %s on %s port %s.", config.fqdn, host, port)
        asyncio.run(server.serve(sockets=sockets))


def _leases(ending: contextlib.ExitStack, folder: Path) -> antitheft.Room | antitheft.OutOfOrder:
    """The room of leases. What is wrong with it keeps no child from the other rooms."""
    try:
        return ending.enter_context(antitheft.opened(folder))
    except (UnusableDatabase, OSError) as error:
        _log.error("Laptops get no leases: %s", error)
        return antitheft.OutOfOrder(str(error))


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
        backlog=BACKLOG,
        timeout_keep_alive=_SECONDS_KEPT_ALIVE,
    )
