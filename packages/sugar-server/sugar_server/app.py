# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASGI application: XML-RPC registration, /health and the school's page."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sugar_server import health, page, wire
from sugar_server.config import Config
from sugar_server.registration import Attempt, Refused, backup_url, check
from sugar_server.store import Outcome
from sugar_server.writer import Writer

_log = logging.getLogger(__name__)
_SECONDS_TO_SEND = 20
_SECONDS_TO_WRITE = 6
"""A laptop hangs up after eight seconds."""
_REFUSALS = {
    Outcome.HELD: "the serial number is registered with another key; this one waits for approval",
    Outcome.REJECTED: "the serial number is registered with another key",
}
_HEADERS = [
    (b"content-security-policy", page.POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


@dataclass
class Daemon:
    """What the requests share."""

    config: Config
    folder: Path
    writer: Writer
    clock: Callable[[], float] = time.time
    _examined: tuple[float, dict[str, Any]] | None = None
    _examining: asyncio.Lock | None = None

    def app(self) -> ASGIApp:
        routes = [
            Route("/", self.root, methods=["GET", "POST"]),
            Route("/RPC2", self.register, methods=["POST"]),
            Route("/health", self.health, methods=["GET"]),
        ]
        return _with_headers(Starlette(routes=routes))

    async def root(self, request: Request) -> Response:
        if request.method == "POST":
            return await self.register(request)
        return HTMLResponse(page.page(self.config.title))

    async def health(self, _: Request) -> Response:
        report = await self._report()
        status = 200 if report["status"] == "ok" else 503
        return Response(json.dumps(report) + "\n", status, media_type="application/json")

    async def _report(self) -> dict[str, Any]:
        """The health report, at most a second old, so that asking often costs little."""
        # Made here, inside the loop: before Python 3.10 a lock belongs to the loop that is there at its birth.
        self._examining = self._examining or asyncio.Lock()
        async with self._examining:
            if self._examined is None or not 0 <= time.monotonic() - self._examined[0] < 1:
                report = await asyncio.get_running_loop().run_in_executor(
                    None, health.examine, self.folder, self.config.minimum_free_bytes, self.writer.alive
                )
                self._examined = (time.monotonic(), report)
            return self._examined[1]

    async def register(self, request: Request) -> Response:
        """Answers a struct, whatever happens: anything else reads as "Cannot connect" on the laptop."""
        address = _address(request)
        serial = ""
        try:
            attempt = Attempt.of(wire.decode(await _body(request)), address)
            serial = attempt.serial
            return await self._enter(attempt)
        except wire.Malformed as error:
            return _refusal(address, serial, str(error), 400)
        except Refused as error:
            return _refusal(address, serial, str(error), error.status)
        except Exception:
            _log.exception("Registration from %s failed.", address)
            return _reply(wire.refused("the server has an internal error"))

    async def _enter(self, attempt: Attempt) -> Response:
        new = check(attempt, self.config, self.clock())
        future = asyncio.wrap_future(self.writer.register(new, self.config.known_serial))
        try:
            outcome = await asyncio.wait_for(future, _SECONDS_TO_WRITE)
        except asyncio.TimeoutError:
            raise Refused("the server is busy; try again") from None
        if outcome is not Outcome.ACCEPTED:
            raise Refused(_REFUSALS[outcome])
        _log.info("Registered %s with key %s from %s.", new.serial, new.fingerprint, new.address)
        return _reply(wire.accepted(self.config.fqdn, backup_url(new.serial, self.config.fqdn)))


def _reply(body: bytes, status: int = 200) -> Response:
    response = Response(body, status, media_type="text/xml")
    if status != 200:
        response.headers["connection"] = "close"
    return response


def _refusal(address: str, serial: str, reason: str, status: int = 200) -> Response:
    # Whatever a laptop sent is quoted, so that it can neither end the line nor colour a terminal.
    _log.warning("Refused to register %.60s from %s: %s.", ascii(serial), address, reason)
    return _reply(wire.refused(reason), status)


def _address(request: Request) -> str:
    host = request.client.host if request.client else "unknown"
    return host[len("::ffff:") :] if host.startswith("::ffff:") else host


async def _body(request: Request) -> bytes:
    """The request's body, if it is small enough and arrives in time."""
    try:
        return await asyncio.wait_for(_read(request), _SECONDS_TO_SEND)
    except asyncio.TimeoutError:
        raise Refused("the request did not arrive in time", 408) from None
    except ClientDisconnect:
        raise Refused("the laptop hung up", 400) from None


async def _read(request: Request) -> bytes:
    """Reads a somewhat too large body to its end before refusing it: who still sends does not read."""
    chunks: list[bytes] = []
    length = 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= wire.MAXIMUM_BODY:
            chunks.append(chunk)
        elif length > 16 * wire.MAXIMUM_BODY:
            break
    if length > wire.MAXIMUM_BODY:
        raise Refused("the request is too large", 413)
    return b"".join(chunks)


def _with_headers(app: ASGIApp) -> ASGIApp:
    """APP with the security headers on every answer, errors included."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await app(scope, receive, send_with_headers)

    return wrapped
