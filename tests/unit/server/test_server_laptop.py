"""Serials: which are harmless as names, and which of them tell the machine."""

from __future__ import annotations

import time
import uuid

import pytest
from sugar_server.registration.laptop import InvalidSerial, check_serial, clean_uuid, is_hardware_serial

NOW = 1_795_228_995.0


@pytest.mark.parametrize("serial", ["SHC00700123", "CSN74805B21", "shf00000000", "ABC95228995", "pc_7", "X" * 20])
def test_harmless_serials(serial):
    assert check_serial(serial) == serial


@pytest.mark.parametrize(
    "serial",
    [
        "",
        " ",
        "X" * 21,
        "../etc",
        "SHC00700123\n",
        "-rf",
        "a b",
        "SHC0070012é",
        "a:b",
        "a@b",
        "٣٣٣",
        "root",
        "Daemon",
    ],
)
def test_harmful_serials(serial):
    with pytest.raises(InvalidSerial):
        check_serial(serial)


def test_an_xo_has_a_serial_of_its_own():
    assert is_hardware_serial("SHC00700123", "D4D6F2A2-7C50-4F3A-9C11-6C6B9C2E7A10", NOW)
    assert is_hardware_serial("CSN74805B21", None, NOW)


def test_a_board_without_serial_has_none():
    assert not is_hardware_serial("SHF00000000", None, NOW)
    assert not is_hardware_serial("TESTMACHINE", None, NOW)


def test_a_serial_made_up_as_sugar_does_is_no_hardware():
    """jarabe makes it from three letters and the time, and the UUID right after it."""
    serial = "QWE" + str(int(time.time()))[-8:]
    assert not is_hardware_serial(serial, str(uuid.uuid1()), time.time())
    assert not is_hardware_serial(serial, None, time.time())
    # The laptop's clock is years off; its serial and its UUID still agree.
    assert not is_hardware_serial(serial, str(uuid.uuid1()), time.time() + 10**8 / 3)


def test_the_last_eight_digits_wrap():
    assert not is_hardware_serial("QWE99999990", None, 1_800_000_005.0)


def test_uuids():
    assert clean_uuid("00000000-0000-0000-0000-000000000000") is None
    assert clean_uuid("nonsense") is None
    assert clean_uuid("D4D6F2A2-7C50-4F3A-9C11-6C6B9C2E7A10") == "D4D6F2A2-7C50-4F3A-9C11-6C6B9C2E7A10"
