# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers with a file: HEAD, Content-Length, one Range, and the conditions of RFC 9110 (13 and 14).

Starlette's own answer knows no ranges before 0.39.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from email.utils import formatdate, parsedate_to_datetime
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_log = logging.getLogger(__name__)
_PIECE = 32 * 1024
_SECONDS_TO_TAKE = 60
"""How long a client may take for one piece."""
_RANGE = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")


class FileAnswer(Response):
    """The part of a file that a request asks for; closes the file."""

    def __init__(self, request: Request, file: BinaryIO, media_type: str) -> None:
        found = os.fstat(file.fileno())
        self._file = file
        self._head = request.method == "HEAD"
        etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"'
        seconds = int(found.st_mtime)
        self._start, self._length = 0, found.st_size
        headers = {
            "accept-ranges": "bytes",
            "etag": etag,
            "last-modified": formatdate(seconds, usegmt=True),
            "cache-control": "no-cache",
        }
        status = 200
        if _unchanged(request, etag, seconds):
            status, self._length = 304, 0
        else:
            part = _part(request, etag, seconds, found.st_size)
            if part is not None:
                start, stop = part
                status = 206 if start < stop else 416
                shown = f"{start}-{stop - 1}" if start < stop else "*"
                headers["content-range"] = f"bytes {shown}/{found.st_size}"
                self._start, self._length = start, stop - start
            headers["content-length"] = str(self._length)
        super().__init__(None, status, headers, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if self._head or self._length == 0:
                await send({"type": "http.response.body", "body": b""})
                return
            await self._send_all(send)
        except asyncio.TimeoutError:
            _log.info("A client stopped taking a file.")
        finally:
            self._file.close()

    async def _send_all(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        self._file.seek(self._start)
        left = self._length
        while left:
            piece = await loop.run_in_executor(None, self._file.read, min(left, _PIECE))
            if not piece:
                return  # It was cut meanwhile: the connection ends early, and the client notices.
            left -= len(piece)
            message = {"type": "http.response.body", "body": piece, "more_body": left > 0}
            await asyncio.wait_for(send(message), _SECONDS_TO_TAKE)


def _unchanged(request: Request, etag: str, seconds: int) -> bool:
    """Whether the client has just this already."""
    known = request.headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or etag in {one.strip().removeprefix("W/") for one in known.split(",")}
    since = _date(request.headers.get("if-modified-since", ""))
    return since is not None and seconds <= since


def _part(request: Request, etag: str, seconds: int, size: int) -> tuple[int, int] | None:
    """First byte, and the one after the last; equal if there are none such. None: the whole file is asked for."""
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or match.group(0) == "bytes=-":
        return None
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip() != etag and _date(condition) != seconds:
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last or 0)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return None
    return (start, stop) if start < stop else (0, 0)


def _date(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
