# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a page or a part of one, and sees whether a TCP port is open."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from sugaroid.errors import CannotConnect, reason

SECONDS = 8.0
MAXIMUM_BYTES = 1 << 20


@dataclass(frozen=True)
class Page:
    """A server's answer."""

    status: int
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case."""


def fetch(address: str, port: int, host: str, path: str) -> Page:
    """GET a path from an address, under the name `host`."""
    return ask(address, port, host, path)


def ask(
    address: str,
    port: int,
    host: str,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Page:
    """Any request to an address, under the name `host`; of a long answer no more than MAXIMUM_BYTES."""
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    named = {"Host": host if port == 80 else f"{host}:{port}", **(headers or {})}
    try:
        connection.request(method, path, body, named)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Page(response.status, found.get("content-type", ""), response.read(MAXIMUM_BYTES), found)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CannotConnect(f"no page from {address}:{port}: {reason(error)}") from error
    finally:
        connection.close()


def is_open(address: str, port: int, seconds: float = 3.0) -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection((address, port), seconds):
            return True
    except OSError:
        return False
