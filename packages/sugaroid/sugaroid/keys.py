# SPDX-License-Identifier: GPL-3.0-or-later
"""Key pairs in the text forms that ssh-keygen gives them, which Sugar hashes and sends as text.

DSA keys use the 1024-bit group with a 160-bit subgroup of RFC 5114, section 2.1: a whole class of them is made in
a moment, and from a seed the same keys come again.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
from dataclasses import dataclass

from sugaroid.errors import InvalidInput

DSA_P = int(
    "B10B8F96A080E01DDE92DE5EAE5D54EC52C99FBCFB06A3C69A6A9DCA52D23B616073E28675A23D189838EF1E2EE652C0"
    "13ECB4AEA906112324975C3CD49B83BFACCBDD7D90C4BD7098488E9C219A73724EFFD6FAE5644738FAA31A4FF55BCCC0"
    "A151AF5F0DC8B4BD45BF37DF365C1A65E68CFDA76D4DA708DF1FB2BC2E4A4371",
    16,
)
DSA_G = int(
    "A4D1CBD5C3FD34126765A442EFB99905F8104DD258AC507FD6406CFF14266D31266FEA1E5C41564B777E690F5504F213"
    "160217B4B01B886A5E91547F9E2749F4D7FBD7D3B9A92EE1909D0D2263F80A76A6A24C087A091F531DBF0A0169B6A28A"
    "D662A4D18E73AFA32D779D5918D08BC8858F4DCEF97C2A24855E6EEB22B3B2E5",
    16,
)
DSA_Q = int("F518AA8781A8DF278ABA4E7D64B7CB9D49462353", 16)

KINDS = ("dsa", "rsa", "ed25519")
SSH_TYPES = {"dsa": "ssh-dss", "rsa": "ssh-rsa", "ed25519": "ssh-ed25519"}
_PRIVATE = re.compile(r"-----BEGIN (DSA|OPENSSH) PRIVATE KEY-----\n(.*?)-----END \1 PRIVATE KEY-----", re.DOTALL)


@dataclass(frozen=True)
class KeyPair:
    """The two files that ssh-keygen leaves: `owner.key` and `owner.key.pub`."""

    private_text: str
    public_text: str

    @property
    def pubkey(self) -> str:
        """What Sugar registers and shows: the text behind the key's type on the first line of a known type."""
        for line in self.public_text.splitlines():
            for ssh_type in SSH_TYPES.values():
                if line.startswith(f"{ssh_type} "):
                    return line[len(ssh_type) + 1 :].strip()
        raise InvalidInput("owner.key.pub holds no public key of a type that Sugar knows")

    @property
    def privkey_hash(self) -> str:
        """The XMPP password: SHA-1 over the joined body lines of owner.key, in hexadecimal."""
        match = _PRIVATE.search(self.private_text)
        body = "".join(line.strip() for line in match.group(2).splitlines()) if match else ""
        if not body:
            raise InvalidInput("owner.key holds no DSA or OPENSSH private key")
        return hashlib.sha1(body.encode()).hexdigest()  # noqa: S324 - Sugar's rule

    @property
    def blob(self) -> bytes:
        """The public key's binary form."""
        return base64.b64decode(self.pubkey.split()[0])

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it: SHA256:…"""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def generate(kind: str = "dsa", seed: str | None = None, *, openssh_form: bool = False) -> KeyPair:
    """A new pair of a kind; with a seed always the same one (RSA excepted: its maker takes no seed).

    DSA comes in the PEM form of the XO generation, or in OpenSSH's own form that newer ssh-keygen writes.
    """
    source: random.Random = random.Random(f"key:{seed}") if seed is not None else random.SystemRandom()  # noqa: S311
    if kind == "dsa":
        return _dsa(source, openssh_form)
    if kind == "ed25519":
        return _ed25519(source)
    if kind == "rsa":
        return _rsa(source)
    raise InvalidInput(f"no such kind of key: {kind}; known are {', '.join(KINDS)}")


def _dsa(source: random.Random, openssh_form: bool) -> KeyPair:
    secret = source.randrange(1, DSA_Q)
    public = pow(DSA_G, secret, DSA_P)
    blob = _strings(b"ssh-dss", *(_mpint(number) for number in (DSA_P, DSA_Q, DSA_G, public)))
    if openssh_form:
        return KeyPair(_openssh_private(blob, blob + _strings(_mpint(secret)), source), _public_line("ssh-dss", blob))
    numbers = b"".join(_asn1_integer(number) for number in (0, DSA_P, DSA_Q, DSA_G, public, secret))
    body = _wrap(b"\x30" + _asn1_length(len(numbers)) + numbers, 64)
    return KeyPair(
        f"-----BEGIN DSA PRIVATE KEY-----\n{body}-----END DSA PRIVATE KEY-----\n", _public_line("ssh-dss", blob)
    )


def _ed25519(source: random.Random) -> KeyPair:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    secret = source.getrandbits(256).to_bytes(32, "big")
    key = Ed25519PrivateKey.from_private_bytes(secret)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    blob = _strings(b"ssh-ed25519", public)
    private = _openssh_private(blob, blob + _strings(secret + public), source)
    return KeyPair(private, _public_line("ssh-ed25519", blob))


def _rsa(source: random.Random) -> KeyPair:
    from cryptography.hazmat.primitives.asymmetric import rsa

    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    blob = _strings(b"ssh-rsa", _mpint(e), _mpint(n))
    private = (n, e, numbers.d, numbers.iqmp, numbers.p, numbers.q)
    secret = _strings(b"ssh-rsa", *(_mpint(number) for number in private))
    return KeyPair(_openssh_private(blob, secret, source), _public_line("ssh-rsa", blob))


def _openssh_private(blob: bytes, secret: bytes, source: random.Random) -> str:
    """openssh-key-v1 without passphrase and comment (OpenSSH's PROTOCOL.key)."""
    check = source.getrandbits(32).to_bytes(4, "big")
    inner = check + check + secret + _strings(b"")
    inner += bytes(range(1, 1 + -len(inner) % 8))
    data = b"openssh-key-v1\0" + _strings(b"none", b"none", b"") + (1).to_bytes(4, "big") + _strings(blob, inner)
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_wrap(data, 70)}-----END OPENSSH PRIVATE KEY-----\n"


def _public_line(ssh_type: str, blob: bytes) -> str:
    return f"{ssh_type} {base64.b64encode(blob).decode()} \n"  # ssh-keygen -C "" leaves the space


def _strings(*values: bytes) -> bytes:
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


def _mpint(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b""


def _asn1_integer(number: int) -> bytes:
    data = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + _asn1_length(len(data)) + data


def _asn1_length(length: int) -> bytes:
    if length < 0x80:
        return bytes([length])
    data = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(data)]) + data


def _wrap(data: bytes, width: int) -> str:
    text = base64.b64encode(data).decode()
    return "".join(text[start : start + width] + "\n" for start in range(0, len(text), width))
