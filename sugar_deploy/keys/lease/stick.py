"""A stick that activates laptops: both copies of their leases, where the firmware and where the initramfs look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from olpc_security.lines import write_files
from olpc_security.records import DEVELOPER_KEY, LEASE, RTC_RESET, RtcReset, Timed
from olpc_security.rules import Refusal
from olpc_security.wrapper import write_wrapper

from sugar_deploy.errors import UsageError
from sugar_deploy.files import write_on_media

FAT_FILE_BYTES = 2**32 - 1
INITRAMFS = "lease.sig"
FIRMWARE = {
    LEASE: "security/lease.sig",
    DEVELOPER_KEY: "security/develop.sig",
    RTC_RESET: "security/rtcreset.sig",
}
"""A record's first word, and where the firmware looks for it."""


@dataclass(frozen=True, slots=True)
class Stick:
    """The files of a stick, by their places in its root; and what the person who uses it has to know."""

    name: str
    """The first serial number on it."""
    files: dict[str, bytes]
    warning: str = ""


def stick_of(records: Sequence[Timed | RtcReset]) -> Stick:
    """The stick with all these leases, developer keys or clock resets; raises UsageError where no laptop reads it.

    Of several delegated leases the firmware can read none from one file. The initramfs reads them all.
    """
    word = _word(records)
    files = _firmware_files(records)
    name = records[0].serial
    if len(files) == 1:
        return _checked(Stick(name, {FIRMWARE[word]: files[0]} | _wrapped(records)))
    if word != LEASE:
        raise UsageError(f"one stick cannot hold these: they take {len(files)} files", "Make several: --split")
    warning = (
        "the firmware cannot read several delegated leases from one file: only laptops that start their activation "
        "system, actos and actrd, find theirs on this stick. For a stick of each: --split"
    )
    return _checked(Stick(name, _wrapped(records), warning))


def sticks_of(records: Sequence[Timed | RtcReset]) -> list[Stick]:
    """The same on as many sticks as it takes for the firmware to read each record."""
    word = _word(records)
    made: list[Stick] = []
    begun = 0
    for content in _firmware_files(records):
        part = records[begun : begun + content.count(b"\n")]
        begun += len(part)
        if part[0].serial in {stick.name for stick in made}:
            raise UsageError(f"{part[0].serial} has several of them", "Leave it the one that ends last")
        made.append(_checked(Stick(part[0].serial, {FIRMWARE[word]: content} | _wrapped(part))))
    return made


def write_stick(stick: Stick, out: Path) -> tuple[Path, ...]:
    """Write a stick's files into its root; of former leases there, a copy that these do not replace goes."""
    if INITRAMFS in stick.files and FIRMWARE[LEASE] not in stick.files:
        (out / FIRMWARE[LEASE]).unlink(missing_ok=True)
    for name, content in stick.files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_on_media(out / name, content, 0o644)
    return tuple(out / name for name in stick.files)


def _word(records: Sequence[Timed | RtcReset]) -> str:
    words = {record.word if isinstance(record, Timed) else RTC_RESET for record in records}
    if len(words) != 1:
        raise UsageError("leases, developer keys and clock resets are not for one file", "Make a stick of each")
    return words.pop()


def _firmware_files(records: Sequence[Timed | RtcReset]) -> tuple[bytes, ...]:
    try:
        return write_files(record.line for record in records).files
    except Refusal as refusal:
        raise UsageError(f"no laptop could read these: {refusal.what}", refusal.rule.words) from None


def _wrapped(records: Sequence[Timed | RtcReset]) -> dict[str, bytes]:
    leases = [record for record in records if isinstance(record, Timed) and record.word == LEASE]
    return {INITRAMFS: write_wrapper(leases)} if leases else {}


def _checked(stick: Stick) -> Stick:
    if too_big := [name for name, content in stick.files.items() if len(content) > FAT_FILE_BYTES]:
        raise UsageError(f"{too_big[0]} would be larger than FAT allows", "Make several sticks")
    return stick
