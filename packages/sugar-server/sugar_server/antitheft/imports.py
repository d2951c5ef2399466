# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the deployment brings: leases, delegations, the list of stolen laptops. A faulty file gives nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from olpc_security import wrapper
from olpc_security.delegations import read_delegations, require_delegation
from olpc_security.fields import Fields
from olpc_security.keys import PublicKey
from olpc_security.laptop import Laptop, require_serial
from olpc_security.records import LEASE, Delegation, Timed, parse, timed_text
from olpc_security.rules import Refusal, Rule
from olpc_security.trust import TrustedKeys
from olpc_security.verify import Check, require_signature, require_trusted

from sugar_server.antitheft.grants import end_of
from sugar_server.antitheft.store import Kept

LARGEST = 512 * 1024 * 1024
_MOST_GROUPS = 1
"""Of a delegation: behind two the firmware reads the lease's line garbled, wherever it stands."""


def read_leases(data: bytes, trusted: TrustedKeys, laptop_of: Callable[[str], Laptop | None], now: int) -> list[Kept]:
    """The leases in a file of lines, or in a stick's wrapper; raises Refusal at the first that is no good one.

    A signature can be proved only where LAPTOP_OF knows the laptop's UUID, which a lease does not tell; otherwise
    that it names a key of the deployment has to do, and the laptop is the judge.
    """
    found = []
    for number, lease in enumerate(_leases(data), start=1):
        try:
            if end_of(lease.expires) < now:
                continue
            _require_lease(lease, trusted, laptop_of(lease.serial), now)
        except Refusal as refusal:
            raise refusal.on_line(number) from None
        found.append(Kept(lease.serial, lease.line, end_of(lease.expires)))
    return found


def _leases(data: bytes) -> list[Timed]:
    if data.startswith(wrapper.START):
        return [lease for several in wrapper.read_wrapper(data).values() for lease in several]
    found = []
    lines = data.decode("latin-1").replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, start=1):
        try:
            record = parse(line)
        except Refusal as refusal:
            raise refusal.on_line(number) from None
        if not isinstance(record, Timed) or record.word != LEASE:
            raise Refusal(Rule.FIRST_WORD, "it is no lease", number, 1)
        found.append(record)
    return found


def _require_lease(lease: Timed, trusted: TrustedKeys, laptop: Laptop | None, now: int) -> None:
    signature = Fields(lease.signature.text)
    if laptop is not None:
        text = timed_text(laptop, lease.disposition, lease.expires)
        require_signature(signature, text, Check(trusted, now, lease.serial))
        return
    # Word and hash stand before the key, in sig01 and sig02 alike.
    require_trusted(bytes.fromhex(signature.peek(2).text), trusted, signature.peek(2).column)


def read_delegation_file(data: bytes, server: PublicKey, trusted: TrustedKeys, now: int) -> list[Kept]:
    """The delegations in a d-lease.sig that have not expired; raises Refusal at the first that is not to SERVER."""
    found = []
    records: Mapping[Laptop, Delegation] = read_delegations(data.replace(b"\r\n", b"\n"))
    for number, record in enumerate(records.values(), start=1):
        try:
            if end_of(record.chain.expires) < now:
                continue
            if len(record.chain.groups) > _MOST_GROUPS:
                raise Refusal(Rule.BLOCKS, f"it rests on {len(record.chain.groups)} delegations")
            require_delegation(record, server, trusted, now)
        except Refusal as refusal:
            raise refusal.on_line(number) from None
        found.append(Kept(record.laptop.serial, record.line, end_of(record.chain.expires)))
    return found


def read_stolen(data: bytes) -> list[str]:
    """The serial numbers in a list, a line each; raises Refusal at the first line that is none."""
    found = []
    for number, line in enumerate(data.decode("latin-1").splitlines(), start=1):
        serial = line.strip().upper()
        if not serial:
            continue
        try:
            require_serial(serial)
        except Refusal as refusal:
            raise refusal.on_line(number) from None
        found.append(serial)
    return found
