# SPDX-License-Identifier: GPL-3.0-or-later
"""What a laptop is signed for by: its serial number and its UUID."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from olpc_security.rules import Refusal, Rule

_SERIAL = re.compile(r"[A-Z0-9]{11}", re.ASCII)
# In practice hexadecimal with dashes; the firmware takes any 36 characters as they are. A colon or a blank would
# make the signed text ambiguous.
_UUID = re.compile(r"[0-9A-Za-z-]{36}", re.ASCII)


@dataclass(frozen=True)
class Laptop:
    """Serial number and UUID as signed texts hold them. Raises Refusal for what no laptop can match."""

    serial: str
    uuid: str

    def __post_init__(self) -> None:
        require_serial(self.serial)
        if not _UUID.fullmatch(self.uuid):
            raise Refusal(Rule.UUID, f"{self.uuid[:60]!r} is no UUID")

    @classmethod
    def from_tags(cls, tags: Mapping[str, bytes]) -> Laptop:
        """The laptop of these manufacturing tags; the firmware reads its own serial number in capitals."""
        return cls(_text(tags, "SN").upper(), _text(tags, "U#"))


def require_serial(text: str, column: int = 0) -> None:
    """Raise Refusal unless a laptop can have this serial number."""
    if not _SERIAL.fullmatch(text):
        raise Refusal(Rule.SERIAL, f"{text[:40]!r} is no serial number", column=column)


def _text(tags: Mapping[str, bytes], name: str) -> str:
    if name not in tags:
        raise Refusal(Rule.TAG, f"there is no tag {name}")
    value = tags[name]
    return (value[:-1] if value.endswith(b"\0") else value).decode("latin-1")
