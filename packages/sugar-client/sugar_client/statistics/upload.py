# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaks with the school server as sugar-stats did: /user/GUID?cmd=stats-info and cmd=stats-upload."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sugar_client import __version__
from sugar_client.statistics.sample import Sample

_SECONDS = 30
_LARGEST = 1024 * 1024


class NotNow(Exception):
    """Nothing can be uploaded now; the message says why."""


class Refused(Exception):
    """The server refuses what was asked; the message is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Account:
    """This laptop at its server."""

    url: str
    guid: str
    wanted: bool
    """Whether the school wants statistics."""
    next_at: dict[str, int]
    """By database, from which moment on samples are news."""

    def send(self, name: str, samples: Iterable[Sample]) -> int:
        """Upload what is news of one database, and return how many samples that were."""
        values = [[sample.at, sample.fields] for sample in samples if sample.at >= self.next_at.get(name, 0)]
        if values:
            _ask(f"{self.url}/user/{self.guid}?cmd=stats-upload", {"name": name, "values": values})
        return len(values)


def find(url: str, guids: Sequence[str]) -> Account:
    """The first of the names that the server knows."""
    if not guids:
        raise NotNow("This laptop has no key yet; Sugar makes one when it starts first, and registering makes one.")
    for guid in guids:
        try:
            return _account(url, guid, _ask(f"{url}/user/{guid}?cmd=stats-info"))
        except Refused as refused:
            if refused.status != 403:
                raise NotNow(f"{url} keeps no statistics (status {refused.status}: {refused}).") from None
    raise NotNow(f"{url} does not know this laptop. Register it in Sugar first.")


def _account(url: str, guid: str, info: dict[str, Any]) -> Account:
    wanted, status = info.get("enable"), info.get("status")
    if not isinstance(wanted, bool) or not isinstance(status, dict):
        raise NotNow(f"What answers at {url} is no school server.")
    return Account(url, guid, wanted, {name: at for name, at in status.items() if type(at) is int})


def _ask(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise NotNow(f"{url} is not on the web.")
    headers = {"User-Agent": f"sugar-client/{__version__}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data, headers)  # noqa: S310 (looked at above)
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 (the same)
            said = _object(answer.read(_LARGEST))
    except urllib.error.HTTPError as error:
        raise Refused(error.code, _reason(error)) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NotNow(f"{url.partition('/user/')[0]} does not answer ({error}).") from None
    if said is None:
        raise NotNow(f"What answers at {url.partition('/user/')[0]} is no school server.")
    return said


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        with error:
            said = _object(error.read(_LARGEST)) or {}
    except (OSError, http.client.HTTPException):
        said = {}
    return str(said.get("error", error.reason))


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
