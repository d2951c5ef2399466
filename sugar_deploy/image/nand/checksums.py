"""Checks `NAME.crc`, which the firmware's copy-nand demands beside `NAME.img`.

One record for each 128 KiB block, in order: eight hexadecimal digits of CRC-32 and LF, and nothing else
(openfirmware's cpu/x86/pc/olpc/copynand.fth).
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

ERASE_BLOCK = 0x20000
RECORD = 9
_RECORD = re.compile(rb"[0-9a-fA-F]{8}\n")


def faults(image: Path) -> list[str]:
    """What copy-nand would refuse, with the erase block's number."""
    size, sums = image.stat().st_size, image.with_suffix(".crc")
    if not size or size % ERASE_BLOCK:
        return [f"{image.name}: {size} bytes are no multiple of {ERASE_BLOCK}"]
    if not sums.exists():
        return [f"{sums.name}: Can't open CRC file"]
    said = sums.read_bytes()
    if len(said) % RECORD:
        return [f"{sums.name}: {len(said)} bytes are no multiple of {RECORD}"]
    records = [said[start : start + RECORD] for start in range(0, len(said), RECORD)]
    if len(records) != size // ERASE_BLOCK:
        return [f"{sums.name}: {len(records)} records for {size // ERASE_BLOCK} blocks"]
    with image.open("rb") as file:
        return [
            f"{image.name}: block {number}: CRC miscompare"
            for number, record in enumerate(records)
            if not _is_of(record, file.read(ERASE_BLOCK))
        ]


def _is_of(record: bytes, block: bytes) -> bool:
    return _RECORD.fullmatch(record) is not None and int(record, 16) == zlib.crc32(block)
