# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH public keys as laptops send them: the blob is parsed, not trusted (RFC 4253, 5656, 8709)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from dataclasses import dataclass

_MAXIMUM_LENGTH = 16384
_CURVES = {"nistp256": 32, "nistp384": 48, "nistp521": 66}
TYPES = ("ssh-dss", "ssh-rsa", "ssh-ed25519", *(f"ecdsa-sha2-{curve}" for curve in _CURVES))
_OPTION = re.compile(r"(?:^|[\s,])[A-Za-z-]+=|\"")


class InvalidKey(ValueError):
    """The text is not a public key that may be registered; the message says why."""


@dataclass(frozen=True)
class PublicKey:
    """A public key; two texts with the same blob are the same key."""

    type: str
    blob: bytes

    @property
    def text(self) -> str:
        """The key as one line of authorized_keys, without a comment."""
        return f"{self.type} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """The fingerprint as OpenSSH prints it: SHA256:…"""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def parse(text: str) -> PublicKey:
    """The key in a blob, a blob with a comment, or a whole `type blob comment` line."""
    _check_text(text)
    words = text.split()
    named = words.pop(0) if words and words[0] in TYPES else None
    if not words:
        raise InvalidKey("the public key is empty")
    blob = _decode(words[0])
    comment = " ".join(words[1:])
    if _OPTION.search(comment):
        raise InvalidKey("the public key's comment holds an option")
    fields = _Fields(blob)
    key_type = fields.name()
    if key_type not in TYPES:
        raise InvalidKey("the public key's type is not supported")
    if named not in (None, key_type):
        raise InvalidKey("the public key is not of the type that it is said to be")
    _check_fields(key_type, fields)
    fields.end()
    return PublicKey(key_type, blob)


def _check_text(text: str) -> None:
    if len(text) > _MAXIMUM_LENGTH:
        raise InvalidKey("the public key is too long")
    if "PRIVATE KEY" in text:
        raise InvalidKey("a private key was sent instead of the public key")
    # Whatever could start another line, or hide text from who reads it, wherever the key is written later.
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in text):
        raise InvalidKey("the public key holds a newline or another control character")


def _decode(word: str) -> bytes:
    try:
        blob = base64.b64decode(word.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise InvalidKey("the public key does not start with a key type or a base64 blob") from None
    if base64.b64encode(blob).decode() != word:
        raise InvalidKey("the public key's base64 is not canonical")
    return blob


class _Fields:
    """Reads the length-prefixed fields of a key blob."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    def string(self) -> bytes:
        start = self._at + 4
        end = start + int.from_bytes(self._blob[self._at : start], "big")
        if start > len(self._blob) or end > len(self._blob):
            raise InvalidKey("the public key is cut off")
        self._at = end
        return self._blob[start:end]

    def name(self) -> str:
        return self.string().decode("ascii", "replace")

    def number(self) -> int:
        """A positive mpint in its one shortest form: otherwise one key would have many fingerprints."""
        data = self.string()
        if not data or data[0] & 0x80 or (data[0] == 0 and not (len(data) > 1 and data[1] & 0x80)):
            raise InvalidKey("the public key holds a malformed number")
        return int.from_bytes(data, "big")

    def end(self) -> None:
        if self._at != len(self._blob):
            raise InvalidKey("the public key has something after its end")


def _check_fields(key_type: str, fields: _Fields) -> None:
    if key_type == "ssh-dss":
        p, q, g, y = (fields.number() for _ in range(4))
        sound = 512 <= p.bit_length() <= 4096 and 160 <= q.bit_length() <= 256 and 1 < g < p and 1 < y < p
    elif key_type == "ssh-rsa":
        e, n = fields.number(), fields.number()
        sound = 1024 <= n.bit_length() <= 16384 and e > 1 and e % 2 == 1 and n % 2 == 1
    elif key_type == "ssh-ed25519":
        sound = len(fields.string()) == 32
    else:
        curve, point = fields.name(), fields.string()
        size = _CURVES.get(curve, 0)
        sound = key_type == f"ecdsa-sha2-{curve}" and len(point) == 1 + 2 * size and point[0] == 4
    if not sound:
        raise InvalidKey(f"the public key is not a sound {key_type} key")
