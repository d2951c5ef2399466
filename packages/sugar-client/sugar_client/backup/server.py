# SPDX-License-Identifier: GPL-3.0-or-later
"""The school server's answers over HTTP, always straight: it is on the school's own network."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from sugar_client import __version__
from sugar_client.command import Failed

_SECONDS = 30
_LARGEST = 1 << 20


class Unreachable(Failed):
    """What answers there, if anything does, is not a school server."""


@dataclass(frozen=True)
class Server:
    """A school server, as HOST or HOST:PORT."""

    address: str

    @property
    def host(self) -> str:
        return self.address.partition(":")[0]

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """The status, and the object that is answered."""
        headers = {"User-Agent": f"sugar-client/{__version__}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            connection = http.client.HTTPConnection(self.address, timeout=_SECONDS)
            try:
                connection.request(method, path, data, headers)
                answer = connection.getresponse()
                status, said = answer.status, answer.read(_LARGEST)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(
                f"the school server {self.address} does not answer ({error}). Is this laptop on the school's network?"
            ) from None
        try:
            value = json.loads(said)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise Unreachable(
                f"what answers at http://{self.address}{path} (status {status}) is no school server for backups. "
                "Is this laptop on the school's network?"
            )
        return status, value
