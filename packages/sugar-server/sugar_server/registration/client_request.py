# SPDX-License-Identifier: GPL-3.0-or-later
"""What our own client sends as JSON, read strictly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sugar_server.registration import wire
from sugar_server.registration.attempt import Refused
from sugar_server.requests import BadRequest

MAXIMUM_BODY = 128 * 1024
_NEEDED = ("nickname", "machine_sn", "pubkey")
_OPTIONAL = ("machine_uuid",)
_PROOF = ("owner_pubkey", "owner_signature", "signature", "nonce")


@dataclass(frozen=True)
class Proof:
    """The owner's key, with signatures of it and of the client's key."""

    owner_pubkey: str
    owner_signature: str
    signature: str
    nonce: str


@dataclass(frozen=True)
class ClientRequest:
    """A request to register; nothing of it is checked yet but that it is text."""

    nickname: str
    machine_sn: str
    machine_uuid: str
    pubkey: str
    proof: Proof | None

    @classmethod
    def of(cls, body: bytes, content_type: str) -> ClientRequest:
        # Asked for, as no page of another site can send it with a form.
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise BadRequest("the request's Content-Type is not application/json", 415)
        try:
            sent = json.loads(body)
        except (ValueError, RecursionError):
            raise BadRequest("the request is not JSON", 400) from None
        if not isinstance(sent, dict):
            raise BadRequest("the request is not a JSON object", 400)
        words = {name: _text(sent, name) for name in (*_NEEDED, *_OPTIONAL, *_PROOF)}
        missing = [name for name in _NEEDED if words[name] is None]
        if missing:
            raise Refused(f"the request lacks {', '.join(missing)}")
        parts = {name: words[name] for name in _PROOF if words[name] is not None}
        if parts and len(parts) < len(_PROOF):
            raise Refused(f"to link a key, the request needs {', '.join(_PROOF)}")
        proof = Proof(**{name: text or "" for name, text in parts.items()}) if parts else None
        return cls(**{name: words[name] or "" for name in (*_NEEDED, *_OPTIONAL)}, proof=proof)


def _text(sent: dict[str, Any], name: str) -> str | None:
    value = sent.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused(f"{name} is not a string")
    return wire.without_what_xml_forbids(value)
