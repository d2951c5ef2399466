# SPDX-License-Identifier: GPL-3.0-or-later
"""A school server's delegations: d-lease.sig and d-oats.sig, a del01 line for each of its laptops."""

from __future__ import annotations

from olpc_security.fields import Fields
from olpc_security.keys import PublicKey
from olpc_security.laptop import Laptop
from olpc_security.records import Delegation, parse
from olpc_security.rules import Refusal, Rule
from olpc_security.trust import TrustedKeys
from olpc_security.verify import Check, require_signature


def require_delegation(record: Delegation, server: PublicKey, trusted: TrustedKeys, now: int) -> None:
    """Raise Refusal unless the chain lets the server's key sign for the record's laptop at NOW (Unix seconds).

    A chain ends in the signature of the key that comes next, so it is judged as any other signature.
    """
    check = Check(trusted, now, record.laptop.serial)
    require_signature(Fields(record.chain.text), server.key01.encode("ascii"), check)


def read_delegations(data: bytes) -> dict[Laptop, Delegation]:
    """The del01 lines of a file; raises Refusal with the line at the first that is none, or is there twice.

    This file is read by servers, whose lines may be of any length.
    """
    found: dict[Laptop, Delegation] = {}
    text = data.decode("latin-1")
    for number, line in enumerate(text.split("\n"), start=1):
        if not line and number > text.count("\n"):
            break
        try:
            record = parse(line)
        except Refusal as refusal:
            raise refusal.on_line(number) from None
        if not isinstance(record, Delegation):
            raise Refusal(Rule.FIRST_WORD, "it is no del01 line", number, 1)
        if record.laptop in found:
            raise Refusal(Rule.SERIAL, f"{record.laptop.serial} is there twice", number, 8)
        found[record.laptop] = record
    return found


def write_delegations(records: list[Delegation]) -> bytes:
    """A file of del01 lines, by serial number."""
    ordered = sorted(records, key=lambda record: record.laptop.serial)
    return "".join(record.line for record in ordered).encode("ascii")
