# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASGI application: the rooms' endpoints, /health and the school's pages."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sugar_server import health
from sugar_server.antitheft.room import OutOfOrder, Room
from sugar_server.backup.tokens import Tokens
from sugar_server.backup.web import Backups
from sugar_server.config import Config
from sugar_server.crowd import Crowd
from sugar_server.library.web import Activities
from sugar_server.pages import rooms
from sugar_server.pages.providers import Providers
from sugar_server.pages.style import POLICY
from sugar_server.pages.web import Pages
from sugar_server.registration.client_api import METHODS, ClientAPI
from sugar_server.registration.store import Store
from sugar_server.registration.web import Register
from sugar_server.repository.web import Packages
from sugar_server.statistics.store import Store as StatisticsStore
from sugar_server.statistics.web import Statistics
from sugar_server.writer import Writer

_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Nothing for other sites; but a form's Origin, without which one cannot tell that it comes from an own page.
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]
_CACHED = {b"cache-control"}
"""Headers that an answer may have otherwise."""


@dataclass
class Daemon:
    """What the requests share."""

    config: Config
    folder: Path
    writer: Writer[Store]
    statistics: Writer[StatisticsStore]
    clock: Callable[[], float] = time.time
    providers: Providers | None = None
    """The rooms that the pages show, if not these here."""
    known_problems: Callable[[], list[str]] = list
    """What others noticed, for the health report."""
    antitheft: Room | OutOfOrder | None = None
    """Where leases are switched on, well or not."""
    _examined: tuple[float, dict[str, Any]] | None = None
    _examining: asyncio.Lock | None = None

    def __post_init__(self) -> None:
        self._register = Register(self.config, self.writer, self.clock)
        self._statistics = Statistics(self.config.statistics, self.statistics, self._pubkeys, self.clock)
        self._client = ClientAPI(self.config, self.writer, self.clock)
        shown = self.providers or rooms.providers(
            self.config, self.folder, self.writer, self.statistics, self.clock, self.antitheft
        )
        self._pages = Pages(self.config, self.folder, self.writer.submit, self._report, shown, self.clock)
        self._activities = Activities(self.config, self._pages.view)
        self._tokens = Tokens.of(self.folder)
        self._backups = Backups.of(self.config.backup, self.folder, self._may_restore)

    def app(self) -> ASGIApp:
        routes = [
            Route("/", self.root, methods=["GET", "POST"]),
            Route("/RPC2", self._register.endpoint, methods=["POST"]),
            Route("/client/{name:path}", self._client.endpoint, methods=METHODS),
            Route("/health", self.health, methods=["GET"]),
            Route("/user/{guid}", self._statistics.user, methods=["GET", "POST"]),
            Route("/statistics.csv", self._pages.for_school(self._statistics.sums), methods=["GET"]),
            Route("/statistics.json", self._pages.for_school(self._statistics.sums), methods=["GET"]),
            *self._backups.routes(),
            *self._activities.routes(),
            *Packages(self.config.repository).routes(),
            *self._antitheft_routes(),
            *self._pages.routes(),
        ]
        return _with_headers(Crowd(Starlette(routes=routes)))

    def _antitheft_routes(self) -> list[Route]:
        if self.antitheft is None:
            return []
        from sugar_server.antitheft.web import TheftDeterrence, closed

        if isinstance(self.antitheft, OutOfOrder):
            return closed()
        return TheftDeterrence(self.config.antitheft, self.antitheft, self.writer, self.clock).routes()

    def _may_restore(self, request: Request, identity: str) -> bool:
        return self._tokens.authorize(request, identity) or self._pages.may_restore(request)

    async def root(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._register.endpoint(request)
        return await self._pages.home(request)

    async def _pubkeys(self) -> list[str]:
        found = await asyncio.wrap_future(self.writer.submit(lambda store: store.registrations()))
        return [row["pubkey"] for row in found if row["state"] == "accepted"]

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
                own = list(message.get("headers", ()))
                kept = {name for name, _ in own} & _CACHED
                message["headers"] = own + [header for header in _HEADERS if header[0] not in kept]
            await send(message)

        await app(scope, receive, send_with_headers)

    return wrapped
