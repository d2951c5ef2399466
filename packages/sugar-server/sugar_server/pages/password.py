# SPDX-License-Identifier: GPL-3.0-or-later
"""The teacher's password: its scrypt hash (RFC 7914) in a file of its own that only the daemon's user reads.

Nothing generates it by itself: it would have to be shown somewhere, and stay there, as in a log.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import tempfile
import unicodedata
from pathlib import Path

from sugar_server.durable import to_disk

_log = logging.getLogger(__name__)
NAME = "teacher-password"
_SHORTEST, _LONGEST = 10, 200
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
"""16 MiB and some 50 ms on a server, a second on an XO-1: for a generated password that is more than enough, and it
fits into a machine of 256 MB. One is computed at a time (web.py)."""
_STORED = re.compile(r"scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)\n?")
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without l, o, 0 and 1, which look like each other."""


class Unsuitable(ValueError):
    """The text may not be the password; the message says why."""


def generate() -> str:
    """A password of 80 random bits, as abcd-efgh-ijkm-npqr."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4))


def write(folder: Path, password: str) -> None:
    """Keep the password's hash in the folder: the new one is on the disk before it takes the old one's place."""
    text = _normal(password)
    if not _SHORTEST <= len(text) <= _LONGEST:
        raise Unsuitable(f"it has {len(text)} characters; it needs {_SHORTEST} to {_LONGEST}")
    salt = secrets.token_bytes(16)
    digest = _scrypt(text, salt, _COST, _BLOCK, _PARALLEL)
    words = (base64.b64encode(part).decode() for part in (salt, digest))
    line = "$".join(("scrypt", str(_COST), str(_BLOCK), str(_PARALLEL), *words)) + "\n"
    number, name = tempfile.mkstemp(prefix=NAME + ".", dir=folder)  # made with mode 0600
    try:
        with os.fdopen(number, "w", encoding="ascii") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(folder / NAME)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    to_disk(folder)


def kept(folder: Path) -> str | None:
    """The hash as it is kept; None where there is no password yet, or, which is logged, it cannot be read."""
    try:
        return (folder / NAME).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.error("The teacher's password cannot be read: %s", error)
        return None


def matches(password: str, kept: str) -> bool:
    """Whether the password is the one whose hash is kept. Takes as long for any, and 16 MiB."""
    found = _STORED.fullmatch(kept)
    if found is None or len(password) > 4 * _LONGEST:
        return False
    cost, block, parallel = (int(number) for number in found.groups()[:3])
    try:
        salt, digest = (base64.b64decode(word, validate=True) for word in found.groups()[3:])
        return hmac.compare_digest(_scrypt(_normal(password), salt, cost, block, parallel), digest)
    except (binascii.Error, ValueError, MemoryError):  # somebody has edited the file
        return False


def _scrypt(text: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    most = 64 * 2**20
    return hashlib.scrypt(text.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=most, dklen=32)


def _normal(password: str) -> str:
    """The same however a keyboard composes an accent, and without the blanks that copying adds."""
    return unicodedata.normalize("NFC", password.strip().encode("utf-8", "replace").decode())
