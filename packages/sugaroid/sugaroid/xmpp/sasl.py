# SPDX-License-Identifier: GPL-3.0-or-later
"""SASL as Sugar's client does it: SCRAM-SHA-1 (RFC 5802) or PLAIN (RFC 4616)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Collection
from xml.etree.ElementTree import Element

from sugaroid.errors import PresenceError
from sugaroid.xmpp.names import SASL, tag

MECHANISMS = ("SCRAM-SHA-1", "PLAIN")
# A server that asks for more would keep a laptop busy for minutes.
MAXIMUM_ITERATIONS = 1_000_000


class Scram:
    """One SCRAM-SHA-1 conversation, without channel binding."""

    def __init__(self, user: str, password: str, nonce: str | None = None) -> None:
        self._password = password.encode()
        self._nonce = nonce or secrets.token_hex(16)
        self._first = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self._nonce}"
        self._signature = b""

    def first(self) -> bytes:
        """The client's first message."""
        return f"n,,{self._first}".encode()

    def final(self, challenge: bytes) -> bytes:
        """The client's proof, for the server's first message."""
        fields = _fields(challenge)
        nonce, salt, count = fields.get("r", ""), fields.get("s", ""), fields.get("i", "")
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise PresenceError("the server's SCRAM answer is not to this login")
        if not count.isdecimal() or not 0 < int(count) <= MAXIMUM_ITERATIONS:
            raise PresenceError(f"the server asks for {count!r} SCRAM iterations")
        salted = hashlib.pbkdf2_hmac("sha1", self._password, _decoded(salt), int(count))
        client_key = _hmac(salted, b"Client Key")
        bare = f"c=biws,r={nonce}".encode()
        message = b",".join((self._first.encode(), challenge, bare))
        proof = bytes(
            a ^ b
            for a, b in zip(client_key, _hmac(hashlib.sha1(client_key).digest(), message))  # noqa: S324
        )
        self._signature = _hmac(_hmac(salted, b"Server Key"), message)
        return bare + b",p=" + base64.b64encode(proof)

    def check(self, success: bytes) -> None:
        """Whether the server knows the password too."""
        if not hmac.compare_digest(_decoded(_fields(success).get("v", "")), self._signature):
            raise PresenceError("the server accepted the login without knowing the password")


async def authenticate(
    user: str,
    password: str,
    offered: Collection[str],
    ask: Callable[[str], Awaitable[Element]],
) -> None:
    """Log in with the best mechanism that the server offers."""
    if "SCRAM-SHA-1" in offered:
        scram = Scram(user, password)
        challenge = await ask(_auth("SCRAM-SHA-1", scram.first()))
        final = scram.final(_content(challenge, "challenge"))
        answer = await ask(tag("response", {"xmlns": SASL}, text=base64.b64encode(final).decode()))
        if answer.tag == f"{{{SASL}}}challenge":
            scram.check(_content(answer, "challenge"))
            _content(await ask(tag("response", {"xmlns": SASL})), "success")
        else:
            scram.check(_content(answer, "success"))
    elif "PLAIN" in offered:
        answer = await ask(_auth("PLAIN", f"\0{user}\0{password}".encode()))
        _content(answer, "success")
    else:
        listed = ", ".join(sorted(offered)) or "none"
        raise PresenceError(f"the server offers no login that Sugar knows (offered: {listed})")


def _auth(mechanism: str, initial: bytes) -> str:
    attributes = {"xmlns": SASL, "mechanism": mechanism}
    return tag("auth", attributes, text=base64.b64encode(initial).decode())


def _content(answer: Element, expected: str) -> bytes:
    if answer.tag == f"{{{SASL}}}failure":
        condition = answer[0].tag.rpartition("}")[2] if len(answer) else "failure"
        raise PresenceError(f"the server refused the login: {condition}", condition)
    if answer.tag != f"{{{SASL}}}{expected}":
        raise PresenceError(f"the server answered the login with <{answer.tag.rpartition('}')[2]}>")
    return _decoded(answer.text or "")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PresenceError("the server's login message is no base64") from None


def _fields(message: bytes) -> dict[str, str]:
    parts = message.decode("utf-8", "replace").split(",")
    return {part[0]: part[2:] for part in parts if part[1:2] == "="}


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha1).digest()
