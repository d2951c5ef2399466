# SPDX-License-Identifier: GPL-3.0-or-later
"""The backups' addresses on the web: may a laptop begin, and what is there to restore."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, TypeVar

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sugar_server.backup import entries, snapshots, xoj
from sugar_server.backup.availability import Answer, Availability
from sugar_server.backup.homes import Home, Homes
from sugar_server.backup.registered import Registrations
from sugar_server.backup.session import listed
from sugar_server.backup.settings import BackupSettings
from sugar_server.database import UnusableDatabase

_log = logging.getLogger(__name__)
XOJ = "application/vnd.olpc-journal-entry"
Authorize = Callable[[Request, str], bool]
"""Whether a request may read the backups of the identity that is named."""
T = TypeVar("T")


@dataclass(frozen=True)
class Backups:
    """Endpoints on the backups below one folder."""

    settings: BackupSettings
    registrations: Registrations
    authorize: Authorize
    availability: Availability

    @classmethod
    def of(cls, settings: BackupSettings, state: Path, authorize: Authorize) -> Backups:
        registrations = Registrations(state)
        availability = Availability(settings, lambda serial: bool(registrations.with_serial(serial)))
        return cls(settings, registrations, authorize, availability)

    def routes(self) -> list[Route]:
        """All addresses. The first takes any path: what is no serial is answered as an unknown one."""
        return [
            Route("/backup/1/available/{serial:path}", self.available, methods=["GET"]),
            Route("/backup/1/slot/{serial:path}", self.slot, methods=["GET"]),
            Route("/ds-restore/{serial}", self.snapshots, methods=["GET"]),
            Route("/ds-restore/{serial}/{snapshot}", self.entries, methods=["GET"]),
            Route("/ds-restore/{serial}/{snapshot}/{uid}", self.entry, methods=["GET"]),
        ]

    async def available(self, request: Request) -> Response:
        """ds-backup looks at nothing but the status."""
        return Response("", (await self._ask(request)).status, media_type="text/plain")

    async def slot(self, request: Request) -> Response:
        """The same decision for laptops of today, which also learn where to go and when to come again."""
        answer = await self._ask(request)
        report: dict[str, Any] = {"slot": answer.status == 200}
        if answer.status == 200:
            report["port"] = self.settings.port
        else:
            report.update(reason=answer.reason, retry_after_seconds=answer.retry_after_seconds)
        response = _json(report, answer.status)
        if answer.status == 503:
            response.headers["retry-after"] = str(answer.retry_after_seconds)
        return response

    async def _ask(self, request: Request) -> Answer:
        try:
            return await _apart(self.availability.ask, request.path_params["serial"])
        except UnusableDatabase as error:
            _log.error("%s", error)
            return Answer(503, "the registrations cannot be read", 600)

    async def snapshots(self, request: Request) -> Response:
        """The snapshots of every child with this serial that the asker may see."""
        found = []
        for home in self._homes(request):
            for snapshot in await _apart(listed, home):
                found.append({"identity": home.identity, **snapshot})
        return _json(found) if found else _nothing()

    async def entries(self, request: Request) -> Response:
        """The Journal entries of a snapshot, the newest first."""
        for home in self._homes(request):
            datastore = self._datastore(request, home)
            if datastore:
                return _json(await _apart(_summaries, datastore))
        return _nothing()

    async def entry(self, request: Request) -> Response:
        """One entry as a Journal entry bundle."""
        uid = request.path_params["uid"]
        for home in self._homes(request):
            datastore = self._datastore(request, home)
            entry = await _apart(_find, datastore, uid) if datastore else None
            if entry:
                return StreamingResponse(_chunks(entry), media_type=XOJ, headers=_as_file(f"{uid}.xoj"))
        return _nothing()

    def _homes(self, request: Request) -> list[Home]:
        """The homes of the serial in the address, or with ?identity= only one of them, that the asker may see."""
        homes = Homes(Path(self.settings.folder)).named(request.path_params["serial"])
        only = request.query_params.get("identity")
        homes = [home for home in homes if only in (None, home.identity)]
        return [home for home in homes if self.authorize(request, home.identity)]

    def _datastore(self, request: Request, home: Home) -> Path | None:
        name = request.path_params["snapshot"]
        return home.path / name if name in snapshots.names(home) else None


def deny(_request: Request, _identity: str) -> bool:
    """Nobody may see anything."""
    return False


def _summaries(datastore: Path) -> list[dict[str, Any]]:
    try:
        return [entry.summary() for entry in entries.listed(datastore)]
    except FileNotFoundError:  # purged meanwhile
        return []


def _find(datastore: Path, uid: str) -> entries.Entry | None:
    try:
        return entries.find(datastore, uid)
    except FileNotFoundError:
        return None


def _chunks(entry: entries.Entry) -> Iterator[bytes]:
    try:
        yield from xoj.bundle(entry)
    except OSError as error:
        _log.error("The entry %s cannot be read: %s", entry.uid, error)
        raise


def _as_file(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value) + "\n", status, media_type="application/json")


def _nothing() -> Response:
    """The same whether there is nothing or it may not be seen."""
    return _json({"error": "there is no such backup, or it may not be seen"}, 404)


async def _apart(function: Callable[..., T], *arguments: Any) -> T:
    """Runs it in a thread: the disk may be slow."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
