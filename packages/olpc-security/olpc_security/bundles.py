# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of bundles, a zip's data.sig: which of its lines the firmware takes, and writing them."""

from __future__ import annotations

from collections.abc import Iterable

from olpc_security.fields import Fields
from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.rules import Refusal, Rule
from olpc_security.sign import sign01
from olpc_security.signatures import SIG01, SIG02
from olpc_security.trust import TrustedKeys
from olpc_security.verify import Check, require_signature


def sign_image(image: bytes, keys: Iterable[PrivateKey]) -> bytes:
    """data.sig of a runos, runrd, actos, actrd or fs bundle: a SHA-256 line for each key, one per deployment."""
    return "".join(f"{sign01(key, image).text}\n" for key in keys).encode("ascii")


def sign_firmware(image: bytes, keys: Iterable[PrivateKey]) -> bytes:
    """data.sig of a bootfw, ecfw or fw bundle: for each key a SHA-256 line, then a RIPEMD-160 line."""
    lines = (f"{sign01(key, image, name).text}\n" for key in keys for name in ("sha256", "rmd160"))
    return "".join(lines).encode("ascii")


def require_image(image: bytes, data_sig: bytes, trusted: TrustedKeys, now: int, serial: str | None = None) -> None:
    """Raise Refusal unless a laptop takes this image. The first line with a key that it trusts decides."""
    _require_first(image, data_sig, Check(trusted, now, serial))


def require_firmware(
    image: bytes, data_sig: bytes, trusted: TrustedKeys, now: int, serial: str | None = None
) -> None:
    """The same of a firmware image: behind the SHA-256 line, the next one of the same key is RIPEMD-160."""
    key, number = _require_first(image, data_sig, Check(trusted, now, serial))
    same = TrustedKeys((key,))
    second, line, _ = _next_line(data_sig, same, number)
    _require(line, second, image, Check(same, now, serial, "rmd160"))


def _require_first(image: bytes, data_sig: bytes, check: Check) -> tuple[PublicKey, int]:
    number, line, key = _next_line(data_sig, check.trusted, 0)
    _require(line, number, image, check)
    return key, number


def _next_line(data_sig: bytes, trusted: TrustedKeys, behind: int) -> tuple[int, str, PublicKey]:
    lines = data_sig.decode("latin-1").split("\n")
    for number, line in enumerate(lines[behind:], start=behind + 1):
        word, _, rest = line.partition(" ")
        key_text = rest.split(" ")[1] if rest.count(" ") else ""
        key = _named(key_text, trusted) if word in (SIG01, SIG02) else None
        if key is not None:
            return number, line, key
    raise Refusal(Rule.TRUSTED_KEY, f"no line {'more ' if behind else ''}is signed by one of them", len(lines))


def _named(text: str, trusted: TrustedKeys) -> PublicKey | None:
    try:
        return trusted.find(bytes.fromhex(text))
    except ValueError:
        return None


def _require(line: str, number: int, image: bytes, check: Check) -> None:
    try:
        require_signature(Fields(line), image, check)
    except Refusal as refusal:
        raise refusal.on_line(number) from None
