# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs with any of Sugar's keys: DSA, RSA or Ed25519, in PEM form or OpenSSH's.

OpenSSL signs, but cannot read OpenSSH's form; OpenSSH can no longer read DSA. So what is in OpenSSH's form
(PROTOCOL.key in its sources) is written anew in the forms of RFC 8017, OpenSSL's DSA and RFC 8410.
"""

from __future__ import annotations

import base64
import binascii
import subprocess
import tempfile
from pathlib import Path

from sugar_client.command import Failed

_OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_TYPES = ("ssh-dss", "ssh-rsa", "ssh-ed25519")
_ED25519 = bytes.fromhex("302e020100300506032b657004220420")
"""What precedes the 32 bytes of a private key in PKCS #8."""


def public_line(private: Path) -> str:
    """The line in the public file beside a private key: type, base64 and perhaps a comment."""
    path = private.with_name(private.name + ".pub")
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise Failed(f"{path}: {error.strerror}. Sugar makes it again at its start once {private} is gone.") from None
    for line in lines:
        if line.split(None, 1)[:1] in [[kind] for kind in _TYPES]:
            return line.strip()
    raise Failed(f"{path}: there is no key of the types {', '.join(_TYPES)} in it.")


def sign(private: Path, kind: str, text: bytes) -> str:
    """The base64 of the signature of TEXT by the private key, which is of the type KIND."""
    with tempfile.TemporaryDirectory(prefix="sugar-client-") as scratch:
        folder = Path(scratch)
        (folder / "text").write_bytes(text)
        key = folder / "key.pem"
        key.touch(mode=0o600)
        key.write_text(_pem(private))
        if kind == "ssh-ed25519":
            words = ["pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in", str(folder / "text")]
        else:
            words = ["dgst", "-sha256", "-sign", str(key), str(folder / "text")]
        return base64.b64encode(_openssl(private, words)).decode()


def _openssl(private: Path, words: list[str]) -> bytes:
    try:
        done = subprocess.run(
            ["openssl", *words], check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=60
        )
    except FileNotFoundError:
        raise Failed("openssl is missing. Install the package openssl.") from None
    if done.returncode != 0:
        why = done.stderr.decode(errors="replace").strip().splitlines()
        raise Failed(f"{private}: openssl cannot sign with this key: {why[0] if why else 'no reason given'}.")
    return done.stdout


def _pem(private: Path) -> str:
    try:
        text = private.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise Failed(f"{private}: {error.strerror}.") from None
    if "ENCRYPTED" in text:
        raise Failed(f"{private}: the key has a passphrase. Sugar's keys have none; remove it with ssh-keygen -p.")
    if not text.lstrip().startswith(_OPENSSH):
        return text
    try:
        name, der = _from_openssh(base64.b64decode("".join(text.split("-----")[2].split())))
    except (IndexError, binascii.Error, ValueError) as error:
        raise Failed(f"{private}: the key cannot be read: {error}.") from None
    body = base64.b64encode(der).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----\n"


def _from_openssh(data: bytes) -> tuple[str, bytes]:
    """The label of the PEM form and its DER."""
    if not data.startswith(_MAGIC):
        raise ValueError("it is not in OpenSSH's form")
    outer = _Fields(data[len(_MAGIC) :])
    if outer.string() != b"none":
        raise ValueError("it has a passphrase")
    outer.string(), outer.string()
    outer.skip(4)  # the number of keys, which is 1
    outer.string()
    inner = _Fields(outer.string())
    inner.skip(8)  # two equal numbers that tell whether decryption went well
    kind = inner.string()
    if kind == b"ssh-ed25519":
        inner.string()
        return "PRIVATE KEY", _ED25519 + inner.string()[:32]
    if kind == b"ssh-dss":
        return "DSA PRIVATE KEY", _sequence(0, *(inner.number() for _ in range(5)))
    if kind == b"ssh-rsa":
        n, e, d, inverse, p, q = (inner.number() for _ in range(6))
        return "RSA PRIVATE KEY", _sequence(0, n, e, d, p, q, d % (p - 1), d % (q - 1), inverse)
    raise ValueError(f"its type {kind.decode(errors='replace')} is not known")


class _Fields:
    """Reads SSH's length-prefixed fields."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def skip(self, count: int) -> None:
        self._at += count

    def string(self) -> bytes:
        start = self._at + 4
        self._at = start + int.from_bytes(self._data[self._at : start], "big")
        if self._at > len(self._data):
            raise ValueError("it is cut off")
        return self._data[start : self._at]

    def number(self) -> int:
        return int.from_bytes(self.string(), "big")


def _sequence(*numbers: int) -> bytes:
    """DER of a sequence of integers that are not negative."""
    parts = b"".join(_tagged(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers)
    return _tagged(0x30, parts)


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
