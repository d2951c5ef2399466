# SPDX-License-Identifier: GPL-3.0-or-later
"""What a laptop says of itself: its serial number and UUID, and whether they tell the machine."""

from __future__ import annotations

import pwd
import re
import uuid as uuids

_SERIAL = re.compile(r"[A-Za-z0-9_]{1,20}")
_XO = re.compile(r"[A-Za-z]{3}[0-9A-Fa-f]{8}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_WITHOUT_SERIAL = "SHF00000000"
_EPOCH_OF_UUIDS = 0x01B21DD213814000
"""Version 1 UUIDs count 100 ns steps from 1582-10-15; this many of them are before 1970."""


class InvalidSerial(ValueError):
    """The text may not become an account, part of a URL and a file name; the message says why."""


def check_serial(serial: str) -> str:
    """The serial, once it is sure that it is harmless wherever it is used as a name."""
    if not _SERIAL.fullmatch(serial):
        raise InvalidSerial("the serial number is not 1 to 20 letters, digits and underscores")
    if not _XO.fullmatch(serial) and _is_system_account(serial):
        raise InvalidSerial("the serial number is the name of a system account")
    return serial


def clean_uuid(uuid: str) -> str | None:
    """The UUID, or None where it is none or the all-zero one of boards without."""
    if not _UUID.fullmatch(uuid) or not uuid.strip("0-"):
        return None
    return uuid


def is_hardware_serial(serial: str, uuid: str | None, now: float) -> bool:
    """True for the serial of an XO; False for a constant or one made up at the attempt.

    Sugar on other machines sends three random letters and the last eight digits of the time, with a
    time-based UUID of that same moment: the two agree whatever that machine's clock says.
    """
    if not _XO.fullmatch(serial) or serial.upper() == _WITHOUT_SERIAL:
        return False
    digits = serial[3:]
    if not digits.isdigit():
        return True
    moments = [(now, 3600.0)]
    if uuid is not None and uuids.UUID(uuid).version == 1:
        moments.append(((uuids.UUID(uuid).time - _EPOCH_OF_UUIDS) / 1e7, 60.0))
    return all(_distance(int(digits), moment) > tolerance for moment, tolerance in moments)


def _distance(digits: int, moment: float) -> float:
    """Seconds between a time of which only the last eight digits are known and another one."""
    difference = (digits - moment) % 10**8
    return min(difference, 10**8 - difference)


def _is_system_account(name: str) -> bool:
    try:
        return pwd.getpwnam(name.lower()).pw_uid < 1000
    except KeyError:
        return False
