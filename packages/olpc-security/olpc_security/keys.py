# SPDX-License-Identifier: GPL-3.0-or-later
"""Key files: PKCS#1 in DER, RSA of 2048 bits with the exponent 65537, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
)

from olpc_security import pss
from olpc_security.fields import read_hex
from olpc_security.rules import Refusal, Rule

PUBLIC_BYTES = 270
KEYID_BYTES = 32
_BITS, _EXPONENT = 2048, 65537
_HEAD, _TAIL = bytes.fromhex("3082010a0282010100"), bytes.fromhex("0203010001")
_KEY01 = "key01: "


@dataclass(frozen=True)
class PublicKey:
    """A `NAME.public` file's 270 bytes. Raises Refusal for any other key: the firmware ignores it."""

    der: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.der) != PUBLIC_BYTES:
            raise Refusal(Rule.KEY, f"the key has {len(self.der)} bytes")
        if not (self.der.startswith(_HEAD) and self.der.endswith(_TAIL) and self.der[len(_HEAD)] >= 0x80):
            raise Refusal(Rule.KEY, "the 270 bytes are no such key")

    def __repr__(self) -> str:
        return f"PublicKey(…{self.keyid.hex()})"

    @property
    def keyid(self) -> bytes:
        """The file's last 32 bytes."""
        return self.der[-KEYID_BYTES:]

    @property
    def key01(self) -> str:
        """The key as a key01 line, with its LF."""
        return f"{_KEY01}{self.der.hex()}\n"

    @classmethod
    def from_key01(cls, line: str) -> PublicKey:
        """The key of a key01 line."""
        text = line[:-1] if line.endswith("\n") else line
        if not text.startswith(_KEY01):
            raise Refusal(Rule.FIRST_WORD, "it does not begin with key01:", column=1)
        return cls(read_hex(text[len(_KEY01) :], len(_KEY01) + 1, PUBLIC_BYTES))

    def is_valid(self, signature: bytes, text: bytes, hash_name: str = "sha256") -> bool:
        """Whether this key has signed the text."""
        return pss.is_valid(self._rsa, signature, text, hash_name)

    @cached_property
    def _rsa(self) -> RSAPublicKey:
        try:
            key = load_der_public_key(self.der)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Refusal(Rule.KEY, f"the 270 bytes are no such key: {error}") from None
        if not isinstance(key, RSAPublicKey):
            raise Refusal(Rule.KEY, "it is no RSA key")
        return key


class PrivateKey:
    """A private key ready to sign; its public half as laptops know it."""

    def __init__(self, rsa: RSAPrivateKey) -> None:
        public = rsa.public_key()
        if public.key_size != _BITS or public.public_numbers().e != _EXPONENT:
            raise Refusal(Rule.KEY, f"it has {public.key_size} bits and the exponent {public.public_numbers().e}")
        self._rsa = rsa
        self.public = PublicKey(public.public_bytes(Encoding.DER, PublicFormat.PKCS1))

    def __repr__(self) -> str:
        return f"PrivateKey(of {self.public!r})"

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new one."""
        return cls(generate_private_key(_EXPONENT, _BITS))

    @classmethod
    def from_der(cls, der: bytes) -> PrivateKey:
        """The key in a `NAME.private` file. Raises Refusal."""
        try:
            key = load_der_private_key(der, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # The library's own message might quote the key.
            raise Refusal(Rule.KEY, "the file is no unencrypted private key in DER") from None
        if not isinstance(key, RSAPrivateKey):
            raise Refusal(Rule.KEY, "it is no RSA key")
        return cls(key)

    @property
    def der(self) -> bytes:
        """A `NAME.private` file: PKCS#1, unencrypted."""
        return self._rsa.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def sign(self, text: bytes, hash_name: str = "sha256") -> bytes:
        """256 bytes, different each time."""
        return pss.sign(self._rsa, text, hash_name)

    def sign_digest(self, digest: bytes, hash_name: str = "sha256") -> bytes:
        """The same of a text of which only the digest is here."""
        return pss.sign_digest(self._rsa, digest, hash_name)

    def encrypted_pem(self, passphrase: bytes) -> bytes:
        """The key as `openssl pkey` reads it too: PKCS#8 in PEM, encrypted."""
        return self._rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))

    @classmethod
    def from_encrypted_pem(cls, pem: bytes, passphrase: bytes) -> PrivateKey:
        """The key that `encrypted_pem` gave; raises Refusal."""
        try:
            key = load_pem_private_key(pem, passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Refusal(Rule.KEY, "the passphrase does not open this private key") from None
        if not isinstance(key, RSAPrivateKey):
            raise Refusal(Rule.KEY, "it is no RSA key")
        return cls(key)
