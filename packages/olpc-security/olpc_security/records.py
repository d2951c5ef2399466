# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of lease.sig, develop.sig, rtcreset.sig and of a server's delegations, one a line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from olpc_security.fields import Field, Fields
from olpc_security.laptop import Laptop, require_serial
from olpc_security.rules import Refusal, Rule
from olpc_security.signatures import Sig02, Signature, read_signature
from olpc_security.times import NEVER, seconds_of

LEASE, DEVELOPER_KEY, RTC_RESET, DELEGATION = "act01:", "dev01:", "rtc01:", "del01:"
LEASE_DISPOSITION, DEVELOPER_DISPOSITION = "K", "A"
LINE_BYTES = 8192
COUNT = re.compile(r"[0-9]{10}", re.ASCII)


@dataclass(frozen=True)
class Timed:
    """A lease (act01) or a developer key (dev01): WORD is its first word."""

    word: str
    serial: str
    disposition: str
    expires: str
    signature: Signature

    @property
    def line(self) -> str:
        """The record's line, with its LF."""
        return _line(self.word, self.serial, self.disposition, self.expires, self.signature.text)


@dataclass(frozen=True)
class RtcReset:
    """Leave to set a clock that went back: for the time and count that the laptop shows, to a new time."""

    serial: str
    current: str
    count: str
    new: str
    signature: Signature

    @property
    def line(self) -> str:
        """The record's line, with its LF."""
        return _line(RTC_RESET, self.serial, self.current, self.count, self.new, self.signature.text)


@dataclass(frozen=True)
class Delegation:
    """Leave for a server's key to sign for one laptop."""

    laptop: Laptop
    chain: Sig02

    @property
    def line(self) -> str:
        """The record's line, with its LF."""
        return _line(DELEGATION, self.laptop.serial, self.laptop.uuid, self.chain.text)


Record = Union[Timed, RtcReset, Delegation]


def timed_text(laptop: Laptop, disposition: str, expires: str) -> bytes:
    """What the signature of a lease or a developer key signs."""
    return f"{laptop.serial}:{laptop.uuid}:{disposition}:{expires}".encode("latin-1")


def rtc_text(laptop: Laptop, current: str, count: str, new: str) -> bytes:
    """What the signature of a clock reset signs."""
    return f"{laptop.serial}:{laptop.uuid}:{current}:{count}:{new}".encode("latin-1")


def parse(line: str) -> Record:
    """A record's line, with its LF or without; raises Refusal. Says nothing of its signature's worth."""
    fields = Fields(line[:-1] if line.endswith("\n") else line)
    word = fields.take("first word")
    if word.text not in _READERS:
        raise Refusal(Rule.FIRST_WORD, f"{word.text[:20]!r} begins no record", column=word.column)
    if len(line) >= LINE_BYTES:
        raise Refusal(Rule.LINE_LENGTH, f"it has {len(line)} bytes", column=1)
    serial = fields.take("serial number")
    require_serial(serial.text, serial.column)
    return _READERS[word.text](fields, word.text, serial)


def read_disposition(fields: Fields) -> str:
    """One character; raises Refusal."""
    field = fields.take("disposition")
    if len(field.text) != 1:
        raise Refusal(Rule.DISPOSITION, f"it has {len(field.text)} characters", column=field.column)
    return field.text


def read_time(fields: Fields, what: str) -> Field:
    """A time, or NEVER; raises Refusal."""
    field = fields.take(what)
    if field.text != NEVER:
        seconds_of(field.text, field.column)
    return field


def read_count(fields: Fields) -> Field:
    """10 digits; raises Refusal."""
    field = fields.take("count")
    if not COUNT.fullmatch(field.text):
        raise Refusal(Rule.COUNT, f"{field.text[:20]!r} is no count", column=field.column)
    return field


def _timed(fields: Fields, word: str, serial: Field) -> Timed:
    disposition, expires = read_disposition(fields), read_time(fields, "expiry")
    return Timed(word, serial.text, disposition, expires.text, read_signature(fields))


def _rtc_reset(fields: Fields, _word: str, serial: Field) -> RtcReset:
    current, count, new = read_time(fields, "present time"), read_count(fields), read_time(fields, "new time")
    return RtcReset(serial.text, current.text, count.text, new.text, read_signature(fields))


def _delegation(fields: Fields, _word: str, serial: Field) -> Delegation:
    uuid = fields.take("UUID")
    column = fields.column
    chain = read_signature(fields)
    if not isinstance(chain, Sig02):
        raise Refusal(Rule.SIGNATURE_WORD, "a delegation is a sig02", column=column)
    try:
        return Delegation(Laptop(serial.text, uuid.text), chain)
    except Refusal as refusal:
        place = serial if refusal.rule is Rule.SERIAL else uuid
        raise Refusal(refusal.rule, refusal.what, column=place.column) from None


_READERS: dict[str, Callable[[Fields, str, Field], Record]] = {
    LEASE: _timed,
    DEVELOPER_KEY: _timed,
    RTC_RESET: _rtc_reset,
    DELEGATION: _delegation,
}


def _line(*fields: str) -> str:
    line = " ".join(fields) + "\n"
    if len(line) >= LINE_BYTES:
        raise Refusal(Rule.LINE_LENGTH, f"it would have {len(line)} bytes")
    return line
