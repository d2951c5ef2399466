# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics on the web: what laptops ask and upload, in sugar-stats' form, and the school's sums."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any, Callable

from starlette.requests import Request
from starlette.responses import Response

from sugar_server.database import UnusableDatabase
from sugar_server.requests import BadRequest, client_address, small_body
from sugar_server.statistics import export, upload
from sugar_server.statistics.settings import StatisticsSettings
from sugar_server.statistics.store import Store, TooMany
from sugar_server.writer import Writer

_log = logging.getLogger(__name__)
_SECONDS_TO_WRITE = 30
_SECONDS_KNOWN = 10
"""For so long a laptop that is known is not looked for again."""
_SECONDS_BETWEEN = 1
"""Looking for one that is not known reads all: made-up names may not keep the server busy."""
_ARCHIVES = ("RRA:AVERAGE:0.5:1:366",)
"""What a client of sugar-stats keeps itself: a year of days."""
_GUID = re.compile(r"[0-9a-f]{40}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class _Refused(Exception):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Statistics:
    """The endpoints."""

    settings: StatisticsSettings
    writer: Writer[Store]
    pubkeys: Callable[[], Awaitable[list[str]]]
    """The registered laptops' keys, exactly as sent: a laptop is named by a key's SHA-1."""
    clock: Callable[[], float]
    _swept: str = ""
    """The day on which old sums were last removed."""
    _known: frozenset[str] = frozenset()
    _known_at: float = field(default=float("-inf"))
    _learning: asyncio.Lock | None = None

    async def user(self, request: Request) -> Response:
        """GET cmd=stats-info, POST cmd=stats-upload, for the laptop that the path names."""
        try:
            guid = await self._guid(request)
            if request.method == "POST":
                return _json(await self._upload(guid, request))
            return _json(await self._info(guid, request))
        except (_Refused, BadRequest) as error:
            _log.warning("Refused statistics from %s: %s.", client_address(request), error)
            return _json({"error": str(error)}, error.status)
        except UnusableDatabase as error:
            return _unusable(error)

    async def _guid(self, request: Request) -> str:
        guid = str(request.path_params["guid"]).lower()
        if not _GUID.fullmatch(guid):
            raise _Refused("the path names no laptop", 404)
        asked = time.monotonic()
        if guid not in self._known or asked - self._known_at > _SECONDS_KNOWN:
            await self._learn(asked)
        if guid not in self._known:
            raise _Refused("no laptop is registered under this name", 403)
        return guid

    async def _learn(self, asked: float) -> None:
        """Knows all that had registered when that was asked: a laptop may come as soon as it is registered."""
        # Made here, inside the loop: before Python 3.10 a lock belongs to the loop that is there at its birth.
        self._learning = self._learning or asyncio.Lock()
        async with self._learning:
            if self._known_at >= asked:
                return
            await asyncio.sleep(max(0.0, self._known_at + _SECONDS_BETWEEN - time.monotonic()))
            began = time.monotonic()
            keys = await self.pubkeys()
            # Sugar's own choice: the name guards nothing.
            self._known = frozenset(hashlib.sha1(key.encode()).hexdigest() for key in keys)  # noqa: S324
            self._known_at = began

    async def _info(self, guid: str, request: Request) -> dict[str, Any]:
        _expect(request, "stats-info")
        latest: dict[str, int] = {}
        if self.settings.enabled:
            latest = await self._do(lambda store: store.latest(guid))
        step = self.settings.step_seconds
        return {
            "enable": self.settings.enabled,
            "step": step,
            "rras": list(_ARCHIVES),
            "status": {name: at + step for name, at in latest.items()},
        }

    async def _upload(self, guid: str, request: Request) -> dict[str, Any]:
        _expect(request, "stats-upload")
        body = await small_body(request, upload.MAXIMUM_BODY)
        if not self.settings.enabled:
            raise _Refused("statistics are switched off on this server", 403)
        try:
            given = upload.parse(body, self.clock())
            added = await self._do(lambda store: store.add(guid, given))
            await self._sweep()
        except (upload.Malformed, TooMany) as error:
            raise _Refused(str(error), 400) from error
        return {"added": added}

    async def _sweep(self) -> None:
        """Once a day, removes what is older than the school wants to keep."""
        now, keep = self.clock(), self.settings.keep_days
        today = datetime.fromtimestamp(now, timezone.utc).date().isoformat()
        if today != self._swept:
            self._swept = today
            await self._do(lambda store: store.forget_before(now, keep))

    async def _do(self, work: Callable[[Store], Any]) -> Any:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self.writer.submit(work)), _SECONDS_TO_WRITE)
        except asyncio.TimeoutError:
            raise _Refused("the server is busy; try again", 503) from None

    async def sums(self, request: Request) -> Response:
        """The school's sums of ?from= to ?to=, the last 30 days where not given, as CSV or JSON."""
        today = datetime.fromtimestamp(self.clock(), timezone.utc).date()
        first = request.query_params.get("from") or (today - timedelta(days=30)).isoformat()
        last = request.query_params.get("to") or today.isoformat()
        if not _is_day(first) or not _is_day(last):
            return _json({"error": "from and to are days, as 2026-01-31"}, 400)
        try:
            found = await self._do(lambda store: store.sums(first, last))
        except _Refused as error:
            return _json({"error": str(error)}, error.status)
        except UnusableDatabase as error:
            return _unusable(error)
        if request.scope["path"].endswith(".csv"):
            return Response(export.as_csv(found), media_type="text/csv")
        return Response(export.as_json(found), media_type="application/json")


def _expect(request: Request, command: str) -> None:
    if request.query_params.get("cmd") != command:
        raise _Refused(f"{request.method} takes cmd={command}", 400)


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _unusable(error: UnusableDatabase) -> Response:
    _log.error("%s", error)
    return _json({"error": "the server cannot write it down or look it up now; try again later"}, 503)


def _json(members: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(members) + "\n", status, media_type="application/json")
