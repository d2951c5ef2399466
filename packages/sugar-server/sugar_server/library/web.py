# SPDX-License-Identifier: GPL-3.0-or-later
"""The library's addresses on the web: the page, the bundles, and activities.sugarlabs.org's update service."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from pathlib import Path
from typing import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from sugar_server.config import Config
from sugar_server.file_answer import FileAnswer
from sugar_server.library import aslo, page
from sugar_server.library.bundle import MIME_TYPES
from sugar_server.library.shelf import Library, Shelf
from sugar_server.pages.languages import negotiate
from sugar_server.pages.view import View, chosen_language

_LANGUAGE = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")
_MOST_LANGUAGES = 20
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
"""A name or an address, maybe with a port."""


class Activities:
    """Offers the bundles of the library's folder."""

    def __init__(self, config: Config, view: Callable[[Request], View]) -> None:
        self._settings, self._fqdn, self._view = config.library, config.fqdn, view
        folder = Path(self._settings.folder)
        self._library = Library(folder, self._settings.largest_mib)
        if self._settings.enabled:
            if folder.parent.is_dir():
                with contextlib.suppress(OSError):
                    folder.mkdir(exist_ok=True)
            # Who comes first need not wait until all bundles have been read.
            threading.Thread(target=self._library.look, daemon=True).start()

    def routes(self) -> list[BaseRoute]:
        if not self._settings.enabled:
            return []
        routes: list[BaseRoute] = [
            Route("/activities/", self.page, methods=["GET"]),
            Route("/activities/{file}", self.bundle, methods=["GET"]),
        ]
        if self._settings.aslo:
            routes.append(Route("/services/update-aslo.php", self.update, methods=["GET"]))
        return routes

    async def page(self, request: Request) -> Response:
        shelf = await self._look()
        response = page.page(self._view(request), shelf, _wanted(request))
        response.headers["vary"] = "Accept-Language, Cookie"
        return response

    async def bundle(self, request: Request) -> Response:
        name = request.path_params["file"]
        try:
            file = await asyncio.get_running_loop().run_in_executor(None, self._library.open, name)
        except OSError:
            return PlainTextResponse("There is no such bundle.\n", 404)
        return FileAnswer(request, file, MIME_TYPES[Path(name).suffix])

    async def update(self, request: Request) -> Response:
        """One laptop's question for one bundle; who follows DNS to here finds the bundle at the same name."""
        item = (await self._look()).find(request.query_params.get("id", ""))
        link = f"http://{self._host(request)}/activities/{page.link(item.file)}" if item else ""
        return Response(aslo.answer(item, link), media_type="application/rdf+xml")

    def _host(self, request: Request) -> str:
        """By which name the laptop came; this server's own where what it says is none."""
        said = request.headers.get("host", "")
        return said if _HOST.fullmatch(said) else self._fqdn

    async def _look(self) -> Shelf:
        return await asyncio.get_running_loop().run_in_executor(None, self._library.look)


def _wanted(request: Request) -> tuple[str, ...]:
    """The browser's languages, after the one that was chosen on a page if that is another."""
    accepted = request.headers.get("accept-language", "")
    chosen = chosen_language(request).code
    return _languages(accepted) if chosen == negotiate(accepted) else (chosen, *_languages(accepted))


def _languages(header: str) -> tuple[str, ...]:
    """The languages of Accept-Language, as es or pt_br, the preferred first."""
    found = []
    for number, part in enumerate(header.split(",")[:_MOST_LANGUAGES]):
        match = _LANGUAGE.fullmatch(part)
        if match and float(match.group(2) or 1) > 0:
            found.append((-float(match.group(2) or 1), number, match.group(1).replace("-", "_").lower()))
    return tuple(language for _, _, language in sorted(found))
