# SPDX-License-Identifier: GPL-3.0-or-later
"""The manufacturing-data block of a laptop's flash: records that grow down from its top (the firmware's mfgdata.fth).

A record, from its end T downwards: tag name (T-2, T-1); length below 128 and its complement (T-3, T-4), or a check
byte with bit 7 set and 7 bits each of the length, low ones first (T-3, T-4, T-5); then the value.
"""

from __future__ import annotations

BLOCK_BYTES = 0x10000


def read_tags(block: bytes) -> dict[str, bytes]:
    """The tags of a block, or of its end, from the top. Where a name occurs twice the upper one counts.

    Reading stops at the first bytes that cannot be a record, as the firmware's does. Texts keep their trailing NUL.
    """
    tags: dict[str, bytes] = {}
    end = len(block)
    while (record := _record(block, end)) is not None:
        name, start, length = record
        tags.setdefault(name, block[start : start + length])
        end = start
    return tags


def _record(block: bytes, end: int) -> tuple[str, int, int] | None:
    """Name, start and length of the value that ends below END; None if there is no record."""
    if end < 4:
        return None
    name, first, second = block[end - 2 : end], block[end - 3], block[end - 4]
    if any(byte >= 0x80 for byte in name):
        return None
    if first < 0x80:
        length, start = first, end - 4
        whole = first ^ second == 0xFF
    else:
        high = block[end - 5] if end > 4 else 0xFF
        length, start = high << 7 | second, end - 5
        whole = second < 0x80 and high < 0x80 and first == second ^ high ^ 0xFF
    if not whole or start < length:
        return None
    return name.decode("ascii"), start - length, length
