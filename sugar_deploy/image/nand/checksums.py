"""`NAME.crc`, which the firmware's copy-nand demands beside `NAME.img`.

One record for each 128 KiB block, in order: eight hexadecimal digits of CRC-32 and LF, and nothing else
(openfirmware's cpu/x86/pc/olpc/copynand.fth).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.files import write_atomically

ERASE_BLOCK = 0x20000
RECORD = 9


def checksums(image: Path) -> Iterator[bytes]:
    """The records of an image; raises UsageError where it is no multiple of the erase block."""
    size = image.stat().st_size
    if not size or size % ERASE_BLOCK:
        raise UsageError(f"{image.name}: {size} bytes are no multiple of {ERASE_BLOCK}", "Pad it: sumtool --pad")
    with image.open("rb") as file:
        while block := file.read(ERASE_BLOCK):
            yield b"%08x\n" % zlib.crc32(block)


def write(image: Path) -> Path:
    """Write the `.crc` of an image beside it, whole or not at all; gives its path."""
    target = image.with_suffix(".crc")
    write_atomically(target, b"".join(checksums(image)).decode("ascii"), 0o644)
    return target


def faults(image: Path) -> list[str]:
    """What copy-nand would refuse, with the erase block's number."""
    sums = image.with_suffix(".crc")
    try:
        own = list(checksums(image))
    except UsageError as error:
        return [error.message]
    if not sums.exists():
        return [f"{sums.name}: Can't open CRC file"]
    said = sums.read_bytes()
    if len(said) % RECORD:
        return [f"{sums.name}: {len(said)} bytes are no multiple of {RECORD}"]
    records = [said[start : start + RECORD] for start in range(0, len(said), RECORD)]
    if len(records) != len(own):
        return [f"{sums.name}: {len(records)} records for {len(own)} blocks"]
    return [
        f"{image.name}: block {number}: CRC miscompare"
        for number, (record, true) in enumerate(zip(records, own, strict=True))
        if record.lower() != true
    ]
