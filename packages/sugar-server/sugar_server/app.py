# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASGI application: XML-RPC registration, /health and the school's page."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sugar_server import health, page
from sugar_server.config import Config
from sugar_server.registration.client_api import METHODS, ClientAPI
from sugar_server.registration.store import Store
from sugar_server.registration.web import Register
from sugar_server.writer import Writer

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
    writer: Writer[Store]
    clock: Callable[[], float] = time.time
    known_problems: Callable[[], list[str]] = list
    """What others noticed, for the health report."""
    _examined: tuple[float, dict[str, Any]] | None = None
    _examining: asyncio.Lock | None = None

    def __post_init__(self) -> None:
        self._register = Register(self.config, self.writer, self.clock)
        self._client = ClientAPI(self.config, self.writer, self.clock)

    def app(self) -> ASGIApp:
        routes = [
            Route("/", self.root, methods=["GET", "POST"]),
            Route("/RPC2", self._register.endpoint, methods=["POST"]),
            Route("/client/{name:path}", self._client.endpoint, methods=METHODS),
            Route("/health", self.health, methods=["GET"]),
        ]
        return _with_headers(Starlette(routes=routes))

    async def root(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._register.endpoint(request)
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
                free, known = self.config.minimum_free_bytes, self.known_problems()
                report = await asyncio.get_running_loop().run_in_executor(
                    None, health.examine, self.folder, free, self.writer.alive, known
                )
                self._examined = (time.monotonic(), report)
            return self._examined[1]


def _with_headers(app: ASGIApp) -> ASGIApp:
    """APP with the security headers on every answer, errors included."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        await app(scope, receive, send_with_headers)

    return wrapped
