# SPDX-License-Identifier: GPL-3.0-or-later
"""Links that let their bearer read one child's backups for a short time, without a login."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

_log = logging.getLogger(__name__)
NAME = "restore.key"
_LENGTH = 32
_MOST_SECONDS = 24 * 3600
_TOKEN = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})")


@dataclass(frozen=True)
class Tokens:
    """Makes and checks tokens with one secret."""

    secret: bytes
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, state: Path) -> Tokens:
        """With the secret in the daemon's state folder, made where there is none."""
        path = state / NAME
        secret = _read(path)
        if secret is None:
            try:
                _write(path, secrets.token_bytes(_LENGTH))
                secret = _read(path)
            except OSError as error:
                _log.error("%s cannot be written (%s): restore links are not served.", path, error)
        return cls(secret or secrets.token_bytes(_LENGTH))

    def make(self, identity: str, seconds: int) -> str:
        """A token for the backups of this identity."""
        until = int(self.clock()) + seconds
        return f"{until}.{self._sign(identity, until)}"

    def authorize(self, request: Request, identity: str) -> bool:
        """True if the request's ?token= is for this identity and still good."""
        token = _TOKEN.fullmatch(request.query_params.get("token", ""))
        # One of the far future was made by a clock that erred.
        if token is None or not self.clock() <= int(token.group(1)) <= self.clock() + _MOST_SECONDS:
            return False
        return hmac.compare_digest(token.group(2), self._sign(identity, int(token.group(1))))

    def _sign(self, identity: str, until: int) -> str:
        return hmac.new(self.secret, f"restore {identity} {until}".encode(), hashlib.sha256).hexdigest()


def _read(path: Path) -> bytes | None:
    """The secret; None if there is none as it should be."""
    try:
        secret = bytes.fromhex(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return secret if len(secret) == _LENGTH else None


def _write(path: Path, secret: bytes) -> None:
    """Whole or not at all: with half a secret anybody could make tokens."""
    handle, new = tempfile.mkstemp(dir=path.parent)
    try:
        with open(handle, "w") as file:  # noqa: PTH123 (a descriptor)
            file.write(secret.hex())
            file.flush()
            os.fsync(handle)
        Path(new).replace(path)
    except OSError:
        Path(new).unlink(missing_ok=True)
        raise
