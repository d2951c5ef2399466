# SPDX-License-Identifier: GPL-3.0-or-later
"""What every room asks of a request: where it comes from, and its body, of a bounded size and in bounded time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from sugar_server.crowd import Share

_SECONDS_TO_SEND = 20


class BadRequest(Exception):
    """The request cannot be read; the message says why."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        """Of HTTP."""


def client_address(request: Request) -> str:
    """Where a request comes from, an IPv4 address as such."""
    host = request.client.host if request.client else "unknown"
    return host[len("::ffff:") :] if host.startswith("::ffff:") else host


async def small_body(request: Request, most: int) -> bytes:
    """The request's body, if it is of MOST bytes at most and arrives in time."""
    try:
        return await asyncio.wait_for(_read(request, most), _SECONDS_TO_SEND)
    except asyncio.TimeoutError:
        raise BadRequest("the request did not arrive in time", 408) from None
    except ClientDisconnect:
        raise BadRequest("the laptop hung up", 400) from None


async def _read(request: Request, most: int) -> bytes:
    """Reads also what it refuses to its end, if that is not too far: who still sends does not read."""
    share = Share.of(request)
    chunks: list[bytes] = []
    length, crowded = 0, False
    async for chunk in request.stream():
        length += len(chunk)
        if length <= most and not crowded:
            chunks.append(chunk)
            crowded = not share.take(len(chunk))
        if length > most or crowded:
            chunks.clear()
            share.give_back()
        if length > 16 * most:
            break
    if length > most:
        raise BadRequest("the request is too large", 413)
    if crowded:
        raise BadRequest("the server is busy; try again later", 503)
    return b"".join(chunks)
