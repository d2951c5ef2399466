# SPDX-License-Identifier: GPL-3.0-or-later
"""Activation on TCP port 191: a laptop's serial number comes in; its lease, or STOLEN, goes out (activate.py).

The laptop sends the bare serial number and closes its side. Others end the line instead, or just wait. It only reads
the tables, so that what anybody on the network can send never changes them; what it hands out it notes beside them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from olpc_security import issue
from olpc_security.keys import PrivateKey
from olpc_security.rules import Refusal
from olpc_security.times import written

from sugar_server.antitheft import clock, handed, store
from sugar_server.antitheft.grants import Authority, authority, lease_for
from sugar_server.antitheft.key import own_key
from sugar_server.antitheft.settings import AntitheftSettings
from sugar_server.antitheft.store import Standing
from sugar_server.database import UnusableDatabase, reading
from sugar_server.listening import BACKLOG
from sugar_server.notify import notify, watchdog_seconds

STOLEN = b"STOLEN"
_MOST_BYTES = 256
_MOST_CONNECTIONS = 2000
_SECONDS_TO_ASK = 15.0
_SECONDS_OF_A_PAUSE = 1.0
_SECONDS_TO_TAKE = 15.0
_SERIAL = re.compile(rb"\s*([A-Za-z0-9]{11})\s*")
_CLOCK_RESET = re.compile(rb"\s*rtcreset ([A-Za-z0-9]{11}) ([0-9]{8}T[0-9]{6}Z) ([0-9]{10})\s*")
_log = logging.getLogger(__name__)


@dataclass
class Activation:
    """What it answers."""

    settings: AntitheftSettings
    state: Path
    now: Callable[[], float] = time.time
    _key: PrivateKey | None = field(default=None, repr=False)

    def answer(self, request: bytes, address: str = "") -> bytes:
        """The answer to a request; nothing if it is none, or the laptop gets nothing. Raises UnusableDatabase."""
        match = _SERIAL.fullmatch(request) or _CLOCK_RESET.fullmatch(request)
        if match is None:
            _log.warning("No serial number from %s: %.60s", address, ascii(request))
            return b""
        serial = match.group(1).decode("ascii").upper()
        now = self.now()
        with reading(self.state / store.NAME) as reader:
            standing, last_good = store.standing(reader, serial), store.last_good(reader)
        standing = handed.with_note(standing, handed.noted(self.state, serial))
        if standing.is_stolen:
            _log.warning("%s is stolen, and asked from %s.", serial, address)
            return STOLEN if match.re is _SERIAL else b""
        by = None if clock.problem(now, last_good) else authority(standing, self._own_key(), now)
        if match.re is _CLOCK_RESET:
            return self._clock_reset(by, match, now)
        return self._lease(standing, by, now, address)

    def _lease(self, standing: Standing, by: Authority | None, now: float, address: str) -> bytes:
        lease = lease_for(standing, by, self._key, self.settings, now)
        if lease is None:
            _log.warning("There is no lease for %s, which asked from %s.", standing.serial, address)
            return b""
        _log.info("A lease for %s goes to %s.", standing.serial, address)
        try:
            handed.note(self.state, lease, now)
        except OSError as error:
            # The laptop starts all the same.
            _log.error("The lease for %s cannot be noted (%s). Is the disk full?", standing.serial, error.strerror)
        return lease.line.encode("ascii")

    def _clock_reset(self, by: Authority | None, match: re.Match[bytes], now: float) -> bytes:
        """Leave to set the laptop's clock to this server's time."""
        if by is None or self._key is None:
            return b""
        _, current, count = (part.decode("ascii") for part in match.groups())
        try:
            made = issue.rtc_reset(
                self._key, by.laptop, current=current, count=count, new=written(int(now)), chain=by.chain
            )
        except Refusal as refusal:
            _log.warning("No clock reset for %s: %s", by.laptop.serial, refusal)
            return b""
        return made.line.encode("ascii")

    def _own_key(self) -> PrivateKey | None:
        # The daemon makes it, perhaps later than the first laptop asks.
        self._key = self._key or own_key(self.state)
        return self._key


class Service:
    """Takes the connections."""

    def __init__(self, activation: Activation) -> None:
        self._activation = activation
        self._open = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one laptop, and hangs up."""
        self._open += 1
        try:
            if self._open <= _MOST_CONNECTIONS:
                await self._serve(reader, writer)
        except (OSError, asyncio.TimeoutError):
            pass  # it hung up, or takes nothing
        except UnusableDatabase as error:
            _log.error("%s", error)
        except Exception:
            _log.exception("A laptop got no answer.")
        finally:
            self._open -= 1
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _request(reader)
        if not request:
            return
        address = str((writer.get_extra_info("peername") or ["unknown"])[0])
        loop = asyncio.get_running_loop()
        writer.write(await loop.run_in_executor(None, self._activation.answer, request, address))
        await asyncio.wait_for(writer.drain(), _SECONDS_TO_TAKE)


async def _request(reader: asyncio.StreamReader) -> bytes:
    """What a laptop asks: up to the line's end, the end of what it sends, or a pause behind something complete."""
    loop = asyncio.get_running_loop()
    deadline, data = loop.time() + _SECONDS_TO_ASK, b""
    while len(data) < _MOST_BYTES and b"\n" not in data:
        left = deadline - loop.time()
        is_complete = _SERIAL.fullmatch(data) or _CLOCK_RESET.fullmatch(data)
        try:
            piece = await asyncio.wait_for(
                reader.read(_MOST_BYTES - len(data)), min(left, _SECONDS_OF_A_PAUSE) if is_complete else left
            )
        except asyncio.TimeoutError:
            break
        if not piece:
            break
        data += piece
    return data


async def serve(activation: Activation, sockets: list[socket.socket]) -> None:
    """Serves until it is told to stop."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    service = Service(activation)
    servers = [await asyncio.start_server(service.connected, sock=one, backlog=BACKLOG) for one in sockets]
    for listening in sockets:
        _log.info("Activating laptops on %s port %s.", *listening.getsockname()[:2])
    notify("READY=1")
    while not ended.is_set():
        notify("WATCHDOG=1")
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(ended.wait(), (watchdog_seconds() or 3600) / 3)
    notify("STOPPING=1")
    for server in servers:
        server.close()
