# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a page, the size of a bundle, and a bundle: in bounded time and size, whatever the server sends."""

from __future__ import annotations

import contextlib
import http.client
import re
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Callable, Optional, Protocol

_SECONDS = 60
_LARGEST_PAGE = 8 * 1024 * 1024
_PIECE = 64 * 1024
_TRIES = 4
Proxies = Optional[Mapping[str, str]]
"""By scheme; None: what the environment says."""


class Unreachable(Exception):
    """It could not be fetched; the message says what happened."""


class Cancelled(Exception):
    """Somebody changed their mind."""


class _Cancel(Protocol):
    def is_set(self) -> bool: ...


def page(url: str, agent: str, proxies: Proxies = None) -> str:
    """The text of an HTML page."""
    with _answer(url, agent, proxies, {"Cache-Control": "max-age=600"}) as answer:
        content = answer.read(_LARGEST_PAGE + 1)
        if len(content) > _LARGEST_PAGE:
            raise Unreachable(f"{url} is no page of activities: it is larger than {_LARGEST_PAGE // 2**20} MiB")
        return content.decode(answer.headers.get_content_charset() or "utf-8", "replace")


def size(url: str, agent: str, proxies: Proxies = None) -> int:
    """How large a bundle is, in bytes."""
    with _answer(url, agent, proxies, {}, "HEAD") as answer:
        length = answer.headers.get("Content-Length", "")
        if not re.fullmatch("[0-9]{1,15}", length):
            raise Unreachable(f"{url}: the server does not tell its size")
        return int(length)


def download(
    url: str, target: Path, agent: str, cancel: _Cancel, progress: Callable[[float], None], proxies: Proxies = None
) -> None:
    """Fetch a bundle whole; a broken connection is taken up where it broke."""
    target.write_bytes(b"")
    for attempt in range(1, _TRIES + 1):
        try:
            _carry_on(url, target, agent, cancel, progress, proxies)
            return
        except (Unreachable, OSError, http.client.HTTPException) as error:
            if attempt == _TRIES or isinstance(error, Unreachable):
                raise Unreachable(f"{url}: {error}") from None


def _carry_on(
    url: str, target: Path, agent: str, cancel: _Cancel, progress: Callable[[float], None], proxies: Proxies
) -> None:
    have = target.stat().st_size
    headers = {"Range": f"bytes={have}-"} if have else {}
    with _answer(url, agent, proxies, headers) as answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if goes_on else 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        with target.open("r+b") as file:
            file.truncate(have)
            file.seek(have)
            while piece := answer.read(_PIECE):
                if cancel.is_set():
                    raise Cancelled
                have += file.write(piece)
                progress(have / total if total else 0.0)
    if total and have < total:
        raise ConnectionError("the connection broke")


@contextlib.contextmanager
def _answer(
    url: str, agent: str, proxies: Proxies, headers: Mapping[str, str], method: str = "GET"
) -> Iterator[http.client.HTTPResponse]:
    try:
        # Nothing but the web: a page may not make the laptop open a file of its own.
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(None if proxies is None else dict(proxies)),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPRedirectHandler(),
            urllib.request.HTTPErrorProcessor(),
        ):
            opener.add_handler(handler)
        request = urllib.request.Request(url, headers={"User-Agent": agent, **headers}, method=method)  # noqa: S310 (see above)
        answer = opener.open(request, timeout=_SECONDS)
        if answer is None:
            raise Unreachable(f"{url} is not on the web")
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreachable(f"{url} does not answer: {error}") from error
    with contextlib.closing(answer):
        yield answer
