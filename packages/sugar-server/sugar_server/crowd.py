# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounds the memory that requests take together; who finds no room is told at once to come again.

On a machine that cannot keep up, requests hang. Each takes some 16 KiB and what it brought: that is bounded here, so
that the daemon is not killed for its memory, which would fail everybody's request.
"""

from __future__ import annotations

import random
from typing import cast

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_REQUESTS = 500
_MOST_BYTES = 4 * 1024 * 1024
"""What all bodies together take, beyond the beginning of each."""
_ALWAYS_BYTES = 4 * 1024
"""The beginning of a body, for which there is always room: a whole registration."""
_SECONDS_TO_STAY_AWAY = (5, 30)
"""Between these by chance, so that those who were refused together do not come again together."""
_SCOPE = "sugar_server.share"


class Crowd:
    """APP for a bounded number of requests at once. Every answer 503 says when to come again."""

    def __init__(self, app: ASGIApp, most_requests: int = _MOST_REQUESTS, most_bytes: int = _MOST_BYTES) -> None:
        self._app = app
        self._requests_left, self.bytes_left = most_requests, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._requests_left <= 0:
            await refuse(scope, receive, send)
            return
        share = Share(self)
        self._requests_left -= 1
        try:
            await self._app({**scope, _SCOPE: share}, receive, _saying_when(send))
        finally:
            share.give_back()
            self._requests_left += 1


class Share:
    """What one request's body takes until the request is answered."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._bytes = self._counted = 0

    @classmethod
    def of(cls, request: Request) -> Share:
        return cast(Share, request.scope[_SCOPE])

    def take(self, length: int) -> bool:
        """Whether there is room for so many bytes more."""
        self._bytes += length
        more = max(0, self._bytes - _ALWAYS_BYTES) - self._counted
        if more > self._crowd.bytes_left:
            return False
        self._crowd.bytes_left -= more
        self._counted += more
        return True

    def give_back(self) -> None:
        """Nothing of the body is kept any more."""
        self._crowd.bytes_left += self._counted
        self._bytes = self._counted = 0


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers that the server is busy, whatever is asked."""
    answer = PlainTextResponse("The server is busy; try again later.\n", 503, {"connection": "close"})
    await answer(scope, receive, _saying_when(send))


def _saying_when(send: Send) -> Send:
    async def send_and_say(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 503:
            headers = list(message.get("headers", ()))
            if all(name != b"retry-after" for name, _ in headers):
                seconds = random.randint(*_SECONDS_TO_STAY_AWAY)  # noqa: S311 (no secret)
                message["headers"] = [*headers, (b"retry-after", str(seconds).encode())]
        await send(message)

    return send_and_say
