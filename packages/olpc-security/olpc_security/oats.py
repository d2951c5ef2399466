# SPDX-License-Identifier: GPL-3.0-or-later
"""Theft deterrence (OATS): the answer that a server signs, as the firmware's oatstime.fth reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from olpc_security import cjson
from olpc_security.fields import Fields
from olpc_security.keys import PrivateKey
from olpc_security.rules import Refusal, Rule
from olpc_security.sign import sign01, sign02
from olpc_security.signatures import Sig02, Signature
from olpc_security.times import seconds_of
from olpc_security.trust import TrustedKeys
from olpc_security.verify import Check, require_signature

_HEAD = b'["oatc-signed-resp",1,['


def stolen_mark(uuid: str, nonce: str, is_stolen: bool) -> str:
    """The value of the member `stolen`, which tells it to nobody but the laptop."""
    text = f"{uuid}:{nonce}:STOLEN" if is_stolen else f"{uuid}:{nonce}"
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sign_response(
    key: PrivateKey, members: Mapping[str, Any], serial: str = "", expires: str = "", chain: Sig02 | None = None
) -> bytes:
    """The answer's body. MEMBERS are nonce, time (16 characters), and what else there is: lease, stolen, update.

    With a chain that ends in KEY, the signature is for the laptop SERIAL and counts until EXPIRES.
    """
    _require_members(members)
    inner = cjson.encode(["oatc-resp", 1, dict(members)])
    signature: Signature = sign02(key, inner, serial, expires, chain) if chain else sign01(key, inner)
    return _HEAD + inner + b"," + cjson.encode(["sig", 1, [f"{signature.text}\n"]]) + b"]]"


def read_response(body: bytes, nonce: str, trusted: TrustedKeys, serial: str, now: int) -> dict[str, Any]:
    """The members of an answer; raises Refusal unless it is a good one to this laptop's request.

    The signature covers the exact bytes of the inner list. NOW, in Unix seconds, is what chains are held against.
    """
    if not body.startswith(_HEAD):
        raise Refusal(Rule.ENVELOPE, "it does not begin as one", 1, 1)
    inner, end = cjson.decode_at(body, len(_HEAD))
    signed = body[len(_HEAD) : end]
    if body[end : end + 1] != b"," or not body.endswith(b"]]"):
        raise Refusal(Rule.ENVELOPE, "there are not two elements in it", 1, end + 1)
    signatures = cjson.decode(body[end + 1 : -2])
    members = _members(inner)
    for line in _signature_lines(signatures):
        require_signature(Fields(line), signed, Check(trusted, now, serial))
    _require_members(members)
    if not _is_same_number(members["nonce"], nonce):
        raise Refusal(Rule.NONCE, f"it is {members['nonce'][:40]!r}, not {nonce!r}")
    return members


def _members(inner: Any) -> dict[str, Any]:
    if isinstance(inner, list) and len(inner) == 3 and inner[:2] == ["oatc-resp", 1] and isinstance(inner[2], dict):
        return inner[2]
    raise Refusal(Rule.ENVELOPE, "its first element is no oatc-resp of version 1")


def _signature_lines(element: Any) -> list[str]:
    if not (isinstance(element, list) and len(element) == 3 and element[:2] == ["sig", 1]):
        raise Refusal(Rule.ENVELOPE, "its second element is no sig of version 1")
    texts = element[2]
    if not (isinstance(texts, list) and texts and all(isinstance(one, str) and one.endswith("\n") for one in texts)):
        raise Refusal(Rule.ENVELOPE, "its signatures are not lines that end in LF")
    return [line for text in texts for line in text[:-1].split("\n")]


def _require_members(members: Mapping[str, Any]) -> None:
    for name in ("nonce", "time"):
        if not isinstance(members.get(name), str):
            raise Refusal(Rule.ENVELOPE, f"it has no {name}, or not as a text")
    seconds_of(members["time"])


def _is_same_number(one: str, other: str) -> bool:
    """The firmware compares numbers; a program may send any text."""
    digits = all(text.isascii() and text.isdigit() and len(text) < 100 for text in (one, other))
    return int(one) == int(other) if digits else one == other
