# SPDX-License-Identifier: GPL-3.0-or-later
"""Theft deterrence's address on the web: POST /antitheft/1/."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Callable, TypeVar

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sugar_server.antitheft import clock as clocks
from sugar_server.antitheft.oats import Asked, Malformed, answer
from sugar_server.antitheft.room import Room
from sugar_server.antitheft.settings import AntitheftSettings
from sugar_server.antitheft.store import Standing, Store
from sugar_server.database import UnusableDatabase
from sugar_server.registration.store import Store as Registrations
from sugar_server.requests import BadRequest, client_address, small_body
from sugar_server.writer import Writer

T = TypeVar("T")
_PATH = "/antitheft/1/"
_CANNOT = "the server cannot answer now\n"
_MOST_BYTES = 4096
_SECONDS_TO_WRITE = 10
_LATER = {"retry-after": "3600"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TheftDeterrence:
    """Answers laptops that ask whether they are stolen, what time it is, and for a new lease."""

    settings: AntitheftSettings
    room: Room
    registrations: Writer[Registrations]
    clock: Callable[[], float]

    def routes(self) -> list[Route]:
        return [Route(_PATH, self.endpoint, methods=["POST"])]

    async def endpoint(self, request: Request) -> Response:
        """A signed answer, whose Content-Length the firmware insists on."""
        address = client_address(request)
        try:
            asked = Asked.of(await small_body(request, _MOST_BYTES))
            return await self._answer(asked, address)
        except Malformed as error:
            return _refusal(address, str(error), 400)
        except BadRequest as error:
            return _refusal(address, str(error), error.status)
        except (UnusableDatabase, asyncio.TimeoutError) as error:
            _log.error("%s gets no answer: %s", address, error or "the database is busy")
            return PlainTextResponse(_CANNOT, 503, _LATER)

    async def _answer(self, asked: Asked, address: str) -> Response:
        now = self.clock()
        standing, last_good = await _done(self.room.writer.submit(lambda store: _known(store, asked.serial)))
        wrong = clocks.problem(now, last_good)
        if wrong:
            # The laptop would set its own clock by it.
            _log.error("%s gets no answer: %s", asked.serial, wrong)
            return PlainTextResponse("the server's clock is wrong\n", 503, _LATER)
        standing, _ = self.room.with_note(standing)
        may_renew = self.settings.renew_for == "delegated" or bool(
            await _done(self.registrations.submit(lambda store: store.by_serial(asked.serial)))
        )
        made = await asyncio.get_running_loop().run_in_executor(
            None,
            lambda: answer(asked, standing, self.room.key, self.settings, may_renew=may_renew, now=now),
        )
        issued = made.issued
        if issued is not None:
            await _done(self.room.writer.submit(lambda store: store.keep_issued(issued, int(now))))
        _tell(standing, address, gets_new=issued is not None)
        return Response(made.body, media_type="text/plain")


def closed() -> list[Route]:
    """The address while the room is out of order: laptops are to come again."""

    async def later(_: Request) -> Response:
        return PlainTextResponse(_CANNOT, 503, _LATER)

    return [Route(_PATH, later, methods=["POST"])]


def _known(store: Store, serial: str) -> tuple[Standing, int | None]:
    return store.standing(serial), store.last_good()


def _tell(standing: Standing, address: str, *, gets_new: bool) -> None:
    if standing.is_stolen:
        _log.warning("%s is stolen, and asked from %s.", standing.serial, address)
    elif not standing.is_known:
        _log.info("%s, which nothing is known of, asked from %s.", standing.serial, address)
    elif gets_new:
        _log.info("A new lease for %s goes to %s.", standing.serial, address)


async def _done(work: Future[T]) -> T:
    return await asyncio.wait_for(asyncio.wrap_future(work), _SECONDS_TO_WRITE)


def _refusal(address: str, reason: str, status: int) -> Response:
    _log.warning("Theft deterrence: %s sent nothing to answer: %s.", address, reason)
    return PlainTextResponse(f"{reason}\n", status, {"connection": "close"})
