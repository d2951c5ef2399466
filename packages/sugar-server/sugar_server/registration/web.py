# SPDX-License-Identifier: GPL-3.0-or-later
"""The registration's address on the web: Sugar's XML-RPC call."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Callable, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from sugar_server.config import Config
from sugar_server.database import UnusableDatabase
from sugar_server.registration import wire
from sugar_server.registration.attempt import Attempt, Refused, backup_url, check
from sugar_server.registration.store import Outcome, Store
from sugar_server.requests import BadRequest, client_address, small_body
from sugar_server.writer import Writer

T = TypeVar("T")

_log = logging.getLogger(__name__)
_SECONDS_TO_WRITE = 6
"""A laptop hangs up after eight seconds."""
CANNOT_WRITE = "the server cannot write it down now; try again later"
REFUSALS = {
    Outcome.HELD: "the serial number is registered with another key; this one waits for approval",
    Outcome.REJECTED: "the serial number is registered with another key",
    Outcome.ANOTHERS: "one of the keys belongs to another identity already",
}


@dataclass(frozen=True)
class Register:
    """Registers laptops that call `register`."""

    config: Config
    writer: Writer[Store]
    clock: Callable[[], float]

    async def endpoint(self, request: Request) -> Response:
        """Answers a struct, whatever happens: anything else reads as "Cannot connect" on the laptop."""
        address = client_address(request)
        serial = ""
        try:
            attempt = Attempt.of(wire.decode(await small_body(request, wire.MAXIMUM_BODY)), address)
            serial = attempt.serial
            return await self._enter(attempt)
        except wire.Malformed as error:
            return _refusal(address, serial, str(error), 400)
        except BadRequest as error:
            return _refusal(address, serial, str(error), error.status)
        except Refused as error:
            return _refusal(address, serial, str(error))
        except UnusableDatabase as error:
            _log.error("%s", error)
            return _refusal(address, serial, CANNOT_WRITE)
        except Exception:
            _log.exception("Registration from %s failed.", address)
            return _reply(wire.refused("the server has an internal error"))

    async def _enter(self, attempt: Attempt) -> Response:
        new = check(attempt, self.config.registration, self.clock())
        policy = self.config.registration.known_serial
        outcome = await done(self.writer.submit(lambda store: store.register(new, policy)))
        if outcome is not Outcome.ACCEPTED:
            raise Refused(REFUSALS[outcome])
        _log.info("Registered %s with key %s from %s.", new.serial, new.fingerprint, new.address)
        return _reply(wire.accepted(self.config.fqdn, backup_url(new.serial, self.config.fqdn)))


async def done(work: Future[T]) -> T:
    """What the work gives, or Refused if it takes longer than a laptop waits."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(work), _SECONDS_TO_WRITE)
    except asyncio.TimeoutError:
        raise Refused("the server is busy; try again") from None


def _reply(body: bytes, status: int = 200) -> Response:
    response = Response(body, status, media_type="text/xml")
    if status != 200:
        response.headers["connection"] = "close"
    return response


def _refusal(address: str, serial: str, reason: str, status: int = 200) -> Response:
    # Whatever a laptop sent is quoted, so that it can neither end the line nor colour a terminal.
    _log.warning("Refused to register %.60s from %s: %s.", ascii(serial), address, reason)
    return _reply(wire.refused(reason), status)
