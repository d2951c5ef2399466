# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes Sugar's owner.key, a DSA key, where OpenSSH no longer makes any (version 10, as in Debian 13).

Sugar's toolkit accepts no other type: without the key, Sugar asks for the child's name at each start, and cannot
register. OpenSSL still makes them, in the old PEM form that Sugar reads as well.
"""

from __future__ import annotations

import base64
import subprocess
import tempfile
from pathlib import Path

from sugar_client.command import Failed
from sugar_client.files import write

_KIND = "ssh-dss"
_PARAMETERS = ("-pkeyopt", "dsa_paramgen_bits:1024", "-pkeyopt", "dsa_paramgen_q_bits:160")
"""The only size that OpenSSH made."""


def make(private: Path) -> bool:
    """Makes the key and its public half, what there is of neither; False where Sugar makes them, or has them."""
    public = private.with_name(f"{private.name}.pub")
    if public.exists() or _openssh_can():
        return False
    if not private.exists():
        write(private, _generated(private.parent))
    numbers = _numbers(_openssl("pkey", "-traditional", "-outform", "DER", "-in", str(private)))
    blob = b"".join(_sized(part) for part in (_KIND.encode(), *numbers))
    write(public, f"{_KIND} {base64.b64encode(blob).decode()}\n")
    return True


def _openssh_can() -> bool:
    try:
        done = subprocess.run(["ssh", "-Q", "key"], capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        raise Failed("ssh is missing. Install the package openssh-client.") from None
    return _KIND in done.stdout.split()


def _generated(folder: Path) -> str:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".key-") as scratch:
        parameters, key = str(Path(scratch, "parameters")), str(Path(scratch, "key"))
        _openssl("genpkey", "-genparam", "-algorithm", "DSA", *_PARAMETERS, "-out", parameters)
        _openssl("genpkey", "-paramfile", parameters, "-out", key)
        return _openssl("pkey", "-traditional", "-in", key).decode("ascii")


def _openssl(*words: str) -> bytes:
    try:
        done = subprocess.run(
            ["openssl", *words], capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=300
        )
    except FileNotFoundError:
        raise Failed("openssl is missing. Install the package openssl.") from None
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise Failed(f"openssl {words[0]} failed: {why[0]}.")
    return done.stdout


def _numbers(der: bytes) -> list[bytes]:
    """The parts p, q, g and y of OpenSSL's form of a DSA key: a sequence of 0, p, q, g, y and x."""
    _, at = _length(der, 1)
    numbers = []
    while at < len(der):
        size, at = _length(der, at + 1)
        numbers.append(der[at : at + size])
        at += size
    # DER and SSH write positive integers alike: big-endian, with a zero before a set highest bit.
    return numbers[1:5]


def _length(der: bytes, at: int) -> tuple[int, int]:
    """The length that is written at a place, and where that ends."""
    if der[at] < 0x80:
        return der[at], at + 1
    end = at + 1 + (der[at] & 0x7F)
    return int.from_bytes(der[at + 1 : end], "big"), end


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part
