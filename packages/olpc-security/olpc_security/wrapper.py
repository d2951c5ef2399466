# SPDX-License-Identifier: GPL-3.0-or-later
"""One file with the leases of many laptops, for the initramfs: `[1,{"SN":"act01 lines"}]` (greplease.py).

The firmware itself does not understand it.
"""

from __future__ import annotations

from collections.abc import Iterable

from olpc_security import cjson
from olpc_security.records import LEASE, Timed, parse
from olpc_security.rules import Refusal, Rule

START = b'[1,{"'


def write_wrapper(leases: Iterable[Timed]) -> bytes:
    """Leases of any number of laptops; several of one laptop in this order."""
    lines: dict[str, str] = {}
    for lease in leases:
        _require_lease(lease)
        lines[lease.serial] = lines.get(lease.serial, "") + lease.line
    if not lines:
        raise Refusal(Rule.WRAPPER, "there are no leases to put into it")
    return cjson.encode([1, lines])


def find_leases(data: bytes, serial: str) -> bytes:
    """The lines that the initramfs takes for this laptop from a wrapper or a plain file; empty if there are none.

    A wrapper is not parsed there: its text is searched for the serial number and the next quote.
    """
    if not data.startswith(START):
        return data
    name = f'"{serial}":"'.encode("ascii")
    start = data.find(name)
    if start < 0:
        return b""
    start += len(name)
    end = data.find(b'"', start)
    return data[start:] if end < 0 else data[start:end]


def read_wrapper(data: bytes) -> dict[str, tuple[Timed, ...]]:
    """The leases of a wrapper by serial number; raises Refusal unless all of it is as it should be."""
    value = cjson.decode(data)
    is_wrapper = isinstance(value, list) and len(value) == 2 and value[0] == 1 and isinstance(value[1], dict)
    if not is_wrapper or isinstance(value[0], bool) or not value[1]:
        raise Refusal(Rule.WRAPPER, "it is none", 1, 1)
    return {serial: tuple(_leases(serial, text)) for serial, text in value[1].items()}


def _leases(serial: str, text: object) -> Iterable[Timed]:
    if not isinstance(text, str) or not text.endswith("\n"):
        raise Refusal(Rule.WRAPPER, f"the text of {serial[:20]!r} is not of complete lines")
    for line in text[:-1].split("\n"):
        try:
            lease = parse(line)
        except Refusal as refusal:
            raise Refusal(refusal.rule, f"of {serial[:20]!r}: {refusal.what}", column=refusal.column) from None
        if not isinstance(lease, Timed) or lease.serial != serial:
            raise Refusal(Rule.WRAPPER, f"a lease of another laptop stands under {serial[:20]!r}")
        _require_lease(lease)
        yield lease


def _require_lease(lease: Timed) -> None:
    if lease.word != LEASE:
        raise Refusal(Rule.WRAPPER, f"a record that begins with {lease.word} is no lease")
