# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a page, and sees whether a TCP port is open."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass

from sugaroid.errors import CannotConnect, reason

SECONDS = 8.0
MAXIMUM_BYTES = 1 << 20


@dataclass(frozen=True)
class Page:
    """A server's answer."""

    status: int
    kind: str
    body: bytes


def fetch(address: str, port: int, host: str, path: str) -> Page:
    """GET a path from an address, under the name `host`."""
    connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    try:
        connection.request("GET", path, headers={"Host": host if port == 80 else f"{host}:{port}"})
        response = connection.getresponse()
        return Page(response.status, response.getheader("Content-Type") or "", response.read(MAXIMUM_BYTES))
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
