"""The little of OpenPGP (RFC 4880) that signing with an RSA key takes.

GnuPG makes no signatures of version 3 any more, and GnuPG 1, which does, cannot be installed beside aptly.
What is written here is read by others: rpm, gpgv and dnf are the test of it.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_RSA, _SHA256 = 1, 8
_SIGNATURE, _PUBLIC_KEY, _USER_ID = 2, 6, 13
_BINARY, _CERTIFICATION = 0x00, 0x13
_CREATED, _ISSUER, _KEY_FLAGS = 2, 16, 27
_CERTIFY_AND_SIGN = b"\x03"
_CRC24_START, _CRC24_POLYNOMIAL = 0xB704CE, 0x1864CFB


def fingerprint(key: RSAPrivateKey, created_at: int) -> str:
    """40 hex digits; the key's identity is their last 16."""
    return hashlib.sha1(_hashed_key(key, created_at), usedforsecurity=False).hexdigest().upper()


def certificate(key: RSAPrivateKey, created_at: int, user: str) -> bytes:
    """The public key with its owner's name, signed by itself; no subkeys, no date of expiry."""
    name = user.encode()
    data = _hashed_key(key, created_at) + b"\xb4" + struct.pack(">I", len(name)) + name
    signature = _version_4(key, created_at, created_at, _CERTIFICATION, data)
    return _packet(_PUBLIC_KEY, _key_body(key, created_at)) + _packet(_USER_ID, name) + signature


def detached(key: RSAPrivateKey, key_created_at: int, signed_at: int, data: bytes) -> bytes:
    """A signature of version 4, as everybody reads them today."""
    return _version_4(key, key_created_at, signed_at, _BINARY, data)


def detached_version_3(key: RSAPrivateKey, key_created_at: int, signed_at: int, data: bytes) -> bytes:
    """A signature of version 3, as in Fedora's own packages, which rpm 4.4 reads too."""
    meta = struct.pack(">BI", _BINARY, signed_at)
    issuer = bytes.fromhex(fingerprint(key, key_created_at))[-8:]
    head = bytes([3, len(meta)]) + meta + issuer + bytes([_RSA, _SHA256])
    return _packet(_SIGNATURE, head + _signed(key, data + meta))


def armour(kind: str, content: bytes) -> str:
    """ASCII armour; KIND as PUBLIC KEY BLOCK or SIGNATURE."""
    body = "\n".join(textwrap.wrap(base64.b64encode(content).decode(), 64))
    check = base64.b64encode(_crc24(content).to_bytes(3, "big")).decode()
    return f"-----BEGIN PGP {kind}-----\n\n{body}\n={check}\n-----END PGP {kind}-----\n"


def _version_4(key: RSAPrivateKey, key_created_at: int, signed_at: int, kind: int, data: bytes) -> bytes:
    hashed = _subpacket(_CREATED, struct.pack(">I", signed_at))
    if kind == _CERTIFICATION:
        hashed += _subpacket(_KEY_FLAGS, _CERTIFY_AND_SIGN)
    unhashed = _subpacket(_ISSUER, bytes.fromhex(fingerprint(key, key_created_at))[-8:])
    head = bytes([4, kind, _RSA, _SHA256]) + struct.pack(">H", len(hashed)) + hashed
    trailer = b"\x04\xff" + struct.pack(">I", len(head))
    rest = struct.pack(">H", len(unhashed)) + unhashed
    return _packet(_SIGNATURE, head + rest + _signed(key, data + head + trailer))


def _signed(key: RSAPrivateKey, data: bytes) -> bytes:
    """The first two bytes of the hash, then the signature of it."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    number = int.from_bytes(key.sign(data, PKCS1v15(), SHA256()), "big")
    return hashlib.sha256(data).digest()[:2] + _integer(number)


def _key_body(key: RSAPrivateKey, created_at: int) -> bytes:
    numbers = key.public_key().public_numbers()
    return struct.pack(">BIB", 4, created_at, _RSA) + _integer(numbers.n) + _integer(numbers.e)


def _hashed_key(key: RSAPrivateKey, created_at: int) -> bytes:
    body = _key_body(key, created_at)
    return b"\x99" + struct.pack(">H", len(body)) + body


def _integer(number: int) -> bytes:
    return struct.pack(">H", number.bit_length()) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _subpacket(kind: int, body: bytes) -> bytes:
    return bytes([len(body) + 1, kind]) + body


def _packet(tag: int, body: bytes) -> bytes:
    """In the old format, with a length of two bytes."""
    return bytes([0x80 | tag << 2 | 1]) + struct.pack(">H", len(body)) + body


def _crc24(content: bytes) -> int:
    value = _CRC24_START
    for byte in content:
        value ^= byte << 16
        for _ in range(8):
            value <<= 1
            if value & 0x1000000:
                value ^= _CRC24_POLYNOMIAL
    return value
