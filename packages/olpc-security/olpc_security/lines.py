# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of lines as the firmware reads them, and writing them so that it can.

It reads through buffers of 1024 bytes: a line that touches three of those blocks arrives garbled. A plain record
never does; one with a chain does at most offsets, and with two delegations at any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from olpc_security.records import LINE_BYTES
from olpc_security.rules import Refusal, Rule

BLOCK_BYTES = 1024


def is_garbled(start: int, size: int) -> bool:
    """Whether a line of SIZE bytes, its end included, that begins at START touches three blocks."""
    return (start + size - 1) // BLOCK_BYTES - start // BLOCK_BYTES > 1


def read_lines(data: bytes) -> Iterator[tuple[int, str]]:
    """A file's lines with their numbers, from 1; raises Refusal on reaching one that arrives garbled or cut."""
    start, first_end = 0, b""
    for number, raw in enumerate(data.split(b"\n"), start=1):
        is_last = start + len(raw) == len(data)
        if is_last and not raw:
            return
        end = b"" if is_last else b"\r\n" if raw.endswith(b"\r") else b"\n"
        first_end = first_end or end
        line = raw[:-1] if end == b"\r\n" else raw
        size = len(line) + len(end)
        if size >= LINE_BYTES:
            raise Refusal(Rule.LINE_LENGTH, f"it has {size} bytes", number)
        if is_garbled(start, size):
            raise Refusal(Rule.BLOCKS, f"its {size} bytes begin at byte {start}", number)
        if end and end != first_end:
            raise Refusal(Rule.LINE_ENDS, "it ends otherwise than the first", number, len(line) + 1)
        yield number, line.decode("latin-1")
        start += size


@dataclass(frozen=True)
class Written:
    """Lines as files that the firmware can read, and what the person who asked for one file has to know."""

    files: tuple[bytes, ...]
    warning: str = ""


def write_files(lines: Iterable[str]) -> Written:
    """Lines, each with its LF, in this order; a line that would arrive garbled begins a file of its own.

    Raises Refusal for a line that cannot be read wherever it stands. The firmware looks at one lease.sig only: of
    several files, each belongs on the laptops or media of the serial numbers in it.
    """
    files = [bytearray()]
    for line in lines:
        raw = line.encode("ascii")
        if raw.count(b"\n") != 1 or not raw.endswith(b"\n"):
            raise Refusal(Rule.LINE_ENDS, "a record is one line that ends in LF")
        if len(raw) >= LINE_BYTES:
            raise Refusal(Rule.LINE_LENGTH, f"it has {len(raw)} bytes")
        if is_garbled(0, len(raw)):
            raise Refusal(Rule.BLOCKS, f"a line of {len(raw)} bytes fits no two blocks")
        if is_garbled(len(files[-1]), len(raw)):
            files.append(bytearray())
        files[-1] += raw
    written = tuple(bytes(file) for file in files if file)
    if len(written) < 2:
        return Written(written)
    return Written(
        written,
        f"{len(written)} files instead of one: the firmware cannot read a line that touches three blocks of "
        f"{BLOCK_BYTES} bytes. Put each file where the laptops of its serial numbers find it",
    )
