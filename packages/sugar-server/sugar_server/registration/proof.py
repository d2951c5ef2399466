# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that a laptop holds the private keys of two public ones, so that both become one identity.

Each of the two keys signs the same text: the line `sugar-server-link-1`, the server's nonce, and the new key as
`type base64`, each ended by a newline, in ASCII. The new key in the text keeps another server, or whoever listens,
from linking a key of his own with it. Signatures are base64 of what `openssl dgst -sha256 -sign` writes: for RSA
PKCS #1 v1.5, for DSA and ECDSA the DER of r and s, with SHA-256; for Ed25519 the 64 bytes of RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
import warnings
from collections.abc import Callable
from typing import Any

from sugar_server.registration.keys import PublicKey

_SECONDS_VALID = 600
_LONGEST_SIGNATURE = 4096


class Unproven(Exception):
    """The signature does not prove it; the message says why."""


class Nonces:
    """Numbers to sign, valid for ten minutes of this process and known again without being kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._secret, self._clock = secrets.token_bytes(32), clock

    def new(self) -> str:
        return self._sealed(f"{int(self._clock())}-{secrets.token_hex(16)}")

    def check(self, nonce: str) -> None:
        body = nonce.rpartition("-")[0]
        seconds = body.partition("-")[0]
        if not hmac.compare_digest(self._sealed(body).encode(), nonce.encode("utf-8", "replace")):
            raise Unproven("the nonce is not of this server; ask for another")
        if not 0 <= self._clock() - int(seconds) <= _SECONDS_VALID:
            raise Unproven("the nonce is too old; ask for another")

    def _sealed(self, body: str) -> str:
        return f"{body}-{hmac.new(self._secret, body.encode('utf-8', 'replace'), 'sha256').hexdigest()}"


def text_to_sign(nonce: str, client: PublicKey) -> bytes:
    """What both keys sign."""
    return f"sugar-server-link-1\n{nonce}\n{client.text}\n".encode("ascii", "replace")


def check_signature(key: PublicKey, signature: str, text: bytes, whose: str) -> None:
    """Raises Unproven unless SIGNATURE of TEXT is by KEY, which is WHOSE."""
    try:
        # Imported when the first laptop asks for it: it takes ten MiB.
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_ssh_public_key
    except ImportError:
        raise Unproven("this server cannot check signatures: it lacks python3-cryptography") from None
    try:
        if len(signature) > _LONGEST_SIGNATURE:
            raise InvalidSignature
        raw = base64.b64decode(signature.encode("ascii"), validate=True)
        with warnings.catch_warnings():  # of DSA: it is what Sugar's keys have always been
            warnings.simplefilter("ignore")
            _verify(load_ssh_public_key(key.text.encode()), raw, text)
    except (InvalidSignature, UnicodeEncodeError, binascii.Error, ValueError, UnsupportedAlgorithm):
        raise Unproven(f"the signature of the {whose} key is wrong") from None


def _verify(key: Any, signature: bytes, text: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding

    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, text)
    elif isinstance(key, dsa.DSAPublicKey):
        key.verify(signature, text, hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
    else:
        key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
