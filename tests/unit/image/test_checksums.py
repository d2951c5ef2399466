"""`.crc` of an XO-1's image: 9 bytes for each erase block, checked against the documented record."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.nand.checksums import faults
from sugar_deploy.image.nand.writing import write_checksums

BLOCK = 128 * 1024


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "os1.img"
    # "123456789" is CRC-32's published check value's text; the other blocks differ.
    path.write_bytes(b"".join((text * BLOCK)[:BLOCK] for text in (b"123456789", b"\xff", b"\x00")))
    return path


def test_a_record_for_each_block_in_order(image: Path) -> None:
    target = write_checksums(image)
    assert target.name == "os1.crc"
    data = image.read_bytes()
    expected = "".join(f"{binascii.crc32(data[at : at + BLOCK]):08x}\n" for at in range(0, len(data), BLOCK))
    assert target.read_text() == expected
    assert len(expected) == 3 * 9
    assert faults(image) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:-1], "no multiple of 9"),
        (lambda text: text[9:], "2 records for 3 blocks"),
        (lambda text: text[:9] + "0000000" + text[16:], "block 1: CRC miscompare"),
        (lambda text: text[9:18] + text[:9] + text[18:], "block 0: CRC miscompare"),
        (lambda text: text[:8] + "\r" + text[9:], "block 0: CRC miscompare"),
    ],
)
def test_what_copy_nand_refuses_is_told(image: Path, change: Callable[[str], str], said: str) -> None:
    target = write_checksums(image)
    target.write_text(change(target.read_text()))
    assert any(said in fault for fault in faults(image))


def test_a_missing_file_and_a_part_of_a_block_are_told(image: Path) -> None:
    assert faults(image) == ["os1.crc: Can't open CRC file"]
    image.write_bytes(image.read_bytes()[:-1])
    assert faults(image) == ["os1.img: 393215 bytes are no multiple of 131072"]
    with pytest.raises(UsageError, match="no multiple"):
        write_checksums(image)
