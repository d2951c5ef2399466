# SPDX-License-Identifier: GPL-3.0-or-later
"""How the firmware searches lease.sig, develop.sig and rtcreset.sig, and why it finds nothing there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from olpc_security.fields import Field, Fields
from olpc_security.laptop import Laptop
from olpc_security.lines import read_lines
from olpc_security.records import (
    DEVELOPER_KEY,
    LEASE,
    RTC_RESET,
    read_count,
    read_disposition,
    read_time,
    rtc_text,
    timed_text,
)
from olpc_security.rules import Refusal, Rule
from olpc_security.signatures import KEY_SIZES, read_word
from olpc_security.times import NEVER, require_not_expired
from olpc_security.trust import TrustedKeys
from olpc_security.verify import Check, require_signature


class Result(IntEnum):
    """As the firmware counts: valid, no record for this laptop, or one that ended the search."""

    VALID = 1
    NO_RECORD = 0
    INVALID = -1


@dataclass(frozen=True)
class Verdict:
    """What the search came to; the line that is valid, or the first rule broken and where."""

    result: Result
    line: int = 0
    refusal: Refusal | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the laptop takes the file."""
        return self.result is Result.VALID

    @property
    def rule(self) -> Rule | None:
        """The first rule broken."""
        return None if self.refusal is None else self.refusal.rule

    def __str__(self) -> str:
        return f"valid: line {self.line}" if self.refusal is None else f"refused: {self.refusal}"


class _NextLine(Exception):
    """The firmware goes on to the next line, for this reason."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__()
        self.refusal = refusal


@dataclass(frozen=True)
class Clock:
    """What a laptop with clock trouble shows: its last known time and its count."""

    timestamp: str
    count: str


def scan_leases(data: bytes, laptop: Laptop, trusted: TrustedKeys, now: int) -> Verdict:
    """Whether LAPTOP, its clock at NOW (Unix seconds), takes this lease.sig by its keys `a`."""
    return _scan(data, laptop, LEASE, lambda fields: _judge_timed(fields, laptop, Check(trusted, now, laptop.serial)))


def scan_developer_keys(data: bytes, laptop: Laptop, trusted: TrustedKeys, now: int) -> Verdict:
    """Whether LAPTOP takes this develop.sig by its keys `d`."""
    check = Check(trusted, now, laptop.serial)
    return _scan(data, laptop, DEVELOPER_KEY, lambda fields: _judge_timed(fields, laptop, check))


def scan_rtc_resets(data: bytes, laptop: Laptop, trusted: TrustedKeys, now: int, clock: Clock) -> Verdict:
    """Whether LAPTOP, which shows this CLOCK, takes this rtcreset.sig by its keys `a`."""
    check = Check(trusted, now, laptop.serial)
    return _scan(data, laptop, RTC_RESET, lambda fields: _judge_rtc(fields, laptop, check, clock))


def _scan(data: bytes, laptop: Laptop, word: str, judge: Callable[[Fields], None]) -> Verdict:
    near: Refusal | None = None
    number = 0
    try:
        for number, line in read_lines(data):
            try:
                _find(line, laptop, word, judge)
            except _NextLine as skipped:
                near = near or _near(skipped.refusal.on_line(number), line, laptop)
                continue
            return Verdict(Result.VALID, number)
    except Refusal as refusal:
        return Verdict(Result.INVALID, 0, refusal if refusal.line else refusal.on_line(number))
    none = Refusal(Rule.RECORD, f"none of its {number} lines is for {laptop.serial}")
    return Verdict(Result.NO_RECORD, 0, near or none)


def _find(line: str, laptop: Laptop, word: str, judge: Callable[[Fields], None]) -> None:
    """Return if the line is a good record; raise Refusal where it ends the search, or _NextLine."""
    if not line.startswith(f"{word} ") and line != word:
        raise Refusal(Rule.FIRST_WORD, f"it does not begin with {word}", column=1)
    fields = Fields(line)
    fields.take("first word")
    try:
        serial = fields.take("serial number")
    except Refusal as refusal:
        raise _NextLine(refusal) from None
    if serial.text != laptop.serial:
        raise _NextLine(_other_serial(serial))
    judge(fields)


def _other_serial(serial: Field) -> Refusal:
    return Refusal(Rule.SERIAL, f"the record is for {serial.text[:20]!r}", column=serial.column)


def _near(refusal: Refusal, line: str, laptop: Laptop) -> Refusal | None:
    """The reason to tell if nothing better comes: only where the line was meant for this laptop."""
    return refusal if laptop.serial in line.upper() else None


def _judge_timed(fields: Fields, laptop: Laptop, check: Check) -> None:
    disposition = read_disposition(fields)
    expires = read_time(fields, "expiry")
    require_not_expired(expires.text, check.now, expires.column)
    _require_known_key(fields, check.trusted)
    require_signature(fields, timed_text(laptop, disposition, expires.text), check)


def _judge_rtc(fields: Fields, laptop: Laptop, check: Check, clock: Clock) -> None:
    current, count = read_time(fields, "present time"), read_count(fields)
    new = read_time(fields, "new time")
    if new.text == NEVER:
        raise Refusal(Rule.TIME, "the new time is none", column=new.column)
    require_signature(fields, rtc_text(laptop, current.text, count.text, new.text), check)
    if current.text != clock.timestamp:
        raise Refusal(Rule.TIME, f"the laptop shows {clock.timestamp}", column=current.column)
    if count.text != clock.count:
        raise Refusal(Rule.COUNT, f"the laptop shows {clock.count}", column=count.column)


def _require_known_key(fields: Fields, trusted: TrustedKeys) -> None:
    """Raise _NextLine where no key is known to have signed: the firmware then looks for another record."""
    key = fields.peek(2)
    try:
        read_word(fields.copy())
    except Refusal as refusal:
        raise _NextLine(refusal) from None
    try:
        field = bytes.fromhex(key.text)
    except ValueError:
        raise _NextLine(Refusal(Rule.HEX, "its key is no hexadecimal", column=key.column)) from None
    if trusted.find(field) is None:
        rule = Rule.TRUSTED_KEY if len(field) in KEY_SIZES else Rule.HEX
        raise _NextLine(Refusal(rule, f"the key …{field[-32:].hex()} is not one of them", column=key.column))
