# SPDX-License-Identifier: GPL-3.0-or-later
"""The teacher's sessions: in memory only, told by the hash of a random token that only the browser's cookie holds.

They end after half an hour without a request, after twelve hours, with the daemon, and when the password changes.
Time is the monotonic clock's: a clock that is set years back or forth neither ends nor lengthens one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from starlette.requests import Request
from starlette.responses import Response

from sugar_server.pages import password

COOKIE = "sugar_session"
_SECONDS_IDLE = 30 * 60
_SECONDS_AT_MOST = 12 * 3600
_MOST = 100


@dataclass
class Session:
    """One browser in which somebody is logged in."""

    began: float
    seen: float
    password: str
    """The hash of the password that opened it, as it is kept."""
    form_token: str = field(default_factory=secrets.token_urlsafe)
    """Stands in every form of this session: another site cannot know it."""

    def sent_by_own_form(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.form_token.encode())


class Sessions:
    """All sessions. For use by one thread."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._sessions: dict[bytes, Session] = {}

    def authorized(self, request: Request) -> bool:
        """Whether the request comes from a browser in which the teacher is logged in."""
        return self.of(request) is not None

    def of(self, request: Request) -> Session | None:
        """The request's session; asking keeps it open for another half hour."""
        token = request.cookies.get(COOKIE)
        if not token:
            return None
        key = _key(token)
        session = self._sessions.get(key)
        if session is None:
            return None
        if self._is_over(session) or session.password != password.kept(self._folder):
            del self._sessions[key]
            return None
        session.seen = self._clock()
        return session

    def begin(self, response: Response, kept: str) -> None:
        """Opens a session with the password whose hash is KEPT; the response gives its token to the browser."""
        self._sweep()
        token = secrets.token_urlsafe(32)
        now = self._clock()
        self._sessions[_key(token)] = Session(now, now, kept)
        # Not Secure: the school's network has plain HTTP only, as no old laptop would know the certificate of a
        # school without Internet; the cookie would never come back.
        response.set_cookie(COOKIE, token, path="/", httponly=True, samesite="strict")

    def end(self, request: Request, response: Response) -> None:
        """Closes the request's session, if it has one."""
        self._sessions.pop(_key(request.cookies.get(COOKIE, "")), None)
        response.delete_cookie(COOKIE, path="/")

    def _is_over(self, session: Session) -> bool:
        now = self._clock()
        return now - session.seen >= _SECONDS_IDLE or now - session.began >= _SECONDS_AT_MOST

    def _sweep(self) -> None:
        """Forgets what is over, and the longest unused where there are too many."""
        for key in [key for key, session in self._sessions.items() if self._is_over(session)]:
            del self._sessions[key]
        while len(self._sessions) >= _MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen)]


def _key(token: str) -> bytes:
    """Looked up by its hash: how long that takes tells nothing of the token."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
