# SPDX-License-Identifier: GPL-3.0-or-later
"""The signature primitive: RSASSA-PSS with a salt of 8 bytes, MGF1 over the same hash.

RIPEMD-160 comes from OpenSSL, which has it in its default provider since 3.0.7 (Debian 12 and later); cryptography
only has no class for it. Hash classes are found by name in OpenSSL, so naming it is all it takes.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

SALT_BYTES = 8
SIGNATURE_BYTES = 256


class RIPEMD160(hashes.HashAlgorithm):
    """RIPEMD-160, which the firmware wants beside SHA-256 on firmware images."""

    name = "ripemd160"
    digest_size = 20
    block_size = 64


HASHES = {"sha256": hashes.SHA256(), "rmd160": RIPEMD160()}
_PADDINGS = {name: PSS(MGF1(algorithm), SALT_BYTES) for name, algorithm in HASHES.items()}


def sign(key: RSAPrivateKey, text: bytes, hash_name: str = "sha256") -> bytes:
    """256 bytes, different each time; HASH_NAME as in signature lines."""
    return key.sign(text, _PADDINGS[hash_name], HASHES[hash_name])


def sign_digest(key: RSAPrivateKey, digest: bytes, hash_name: str) -> bytes:
    """The same of a text of which only the digest is here."""
    return key.sign(digest, _PADDINGS[hash_name], Prehashed(HASHES[hash_name]))


def is_valid(key: RSAPublicKey, signature: bytes, text: bytes, hash_name: str = "sha256") -> bool:
    """Whether the key has signed the text."""
    try:
        key.verify(signature, text, _PADDINGS[hash_name], HASHES[hash_name])
    except InvalidSignature:
        return False
    return True
