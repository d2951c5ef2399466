# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a laptop does not take a file: what kind of file it is, what is in it, and the first rule broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from olpc_security import records, scan
from olpc_security.delegations import read_delegations
from olpc_security.keys import PUBLIC_BYTES, PrivateKey, PublicKey
from olpc_security.laptop import Laptop
from olpc_security.lines import read_lines
from olpc_security.records import Delegation, Record, RtcReset, Timed
from olpc_security.rules import Refusal, Rule
from olpc_security.scan import Clock, Result, Verdict
from olpc_security.signatures import Sig02, Signature, parse
from olpc_security.trust import TrustedKeys
from olpc_security.wrapper import START, find_leases, read_wrapper

LEASES, DEVELOPER_KEYS, RTC_RESETS = "lease.sig", "develop.sig", "rtcreset.sig"
DELEGATIONS, WRAPPER, SIGNATURES, KEY, OTHER = "delegations", "lease wrapper", "signatures", "public key", "other"
_FIRST_WORDS = {
    b"act01:": LEASES,
    b"dev01:": DEVELOPER_KEYS,
    b"rtc01:": RTC_RESETS,
    b"del01:": DELEGATIONS,
    b"sig01:": SIGNATURES,
    b"sig02:": SIGNATURES,
    b"key01:": KEY,
}


@dataclass(frozen=True)
class Asked:
    """The laptop that a file is held against: its keys by purpose's letter, its clock in Unix seconds."""

    laptop: Laptop
    trusted: Mapping[str, TrustedKeys]
    now: int
    clock: Clock | None = None

    def keys(self, purpose: str) -> TrustedKeys:
        """The keys for a purpose; none where nothing is known."""
        return self.trusted.get(purpose, TrustedKeys(()))


def kind_of(data: bytes) -> str:
    """What kind of file this is, from its beginning."""
    if data.startswith(START):
        return WRAPPER
    if len(data) == PUBLIC_BYTES and data.startswith(b"\x30\x82"):
        return KEY
    word = data.split(b"\n", 1)[0].split(b" ", 1)[0].strip()
    return _FIRST_WORDS.get(word, OTHER)


def explain(data: bytes, asked: Asked, kind: str = "") -> Verdict:
    """Whether the laptop takes this file as KIND (its own kind by default), and if not, the first rule broken."""
    kind = kind or kind_of(data)
    laptop, now = asked.laptop, asked.now
    if kind == WRAPPER:
        return _explain_wrapper(data, asked)
    if kind == DEVELOPER_KEYS:
        return scan.scan_developer_keys(data, laptop, asked.keys("d"), now)
    if kind == RTC_RESETS and asked.clock is not None:
        return scan.scan_rtc_resets(data, laptop, asked.keys("a"), now, asked.clock)
    if kind == LEASES:
        return scan.scan_leases(data, laptop, asked.keys("a"), now)
    return Verdict(Result.INVALID, 0, Refusal(Rule.FIRST_WORD, f"laptops look for no such file: {kind}", 1, 1))


def _explain_wrapper(data: bytes, asked: Asked) -> Verdict:
    found = find_leases(data, asked.laptop.serial)
    if not found:
        return Verdict(Result.NO_RECORD, 0, Refusal(Rule.RECORD, f"nothing in it is for {asked.laptop.serial}"))
    return scan.scan_leases(found, asked.laptop, asked.keys("a"), asked.now)


def inspect(data: bytes) -> list[str]:
    """What is in a file, a line for each record; raises Refusal where it is not as it should be."""
    kind = kind_of(data)
    if kind == WRAPPER:
        return [_described(lease) for leases in read_wrapper(data).values() for lease in leases]
    if kind == DELEGATIONS:
        return [_described(record) for record in read_delegations(data).values()]
    if kind == KEY:
        key = PublicKey(data) if len(data) == PUBLIC_BYTES else PublicKey.from_key01(data.decode("latin-1"))
        return [f"public key {key.keyid.hex()}"]
    if kind == OTHER:
        return [_other(data)]
    described = []
    for number, line in read_lines(data):
        try:
            described.append(_signature(parse(line)) if kind == SIGNATURES else _described(records.parse(line)))
        except Refusal as refusal:
            raise refusal.on_line(number) from None
    return described


def _other(data: bytes) -> str:
    try:
        return f"private key of {PrivateKey.from_der(data).public.keyid.hex()}"
    except Refusal:
        raise Refusal(Rule.FIRST_WORD, "it begins as none of the files known", 1, 1) from None


def _described(record: Record) -> str:
    if isinstance(record, Delegation):
        return f"delegation for {record.laptop.serial} {record.laptop.uuid}, {_signature(record.chain)}"
    if isinstance(record, RtcReset):
        what = f"clock reset for {record.serial}, from {record.current}, count {record.count}, to {record.new}"
        return f"{what}, {_signature(record.signature)}"
    return f"{_timed(record)}, {_signature(record.signature)}"


def _timed(record: Timed) -> str:
    name = "lease" if record.word == records.LEASE else "developer key"
    return f"{name} for {record.serial}, disposition {record.disposition}, until {record.expires}"


def _signature(signature: Signature) -> str:
    if not isinstance(signature, Sig02):
        return f"signed ({signature.hash_name}) by {signature.key[-32:].hex()}"
    keys = " -> ".join(f"{group.key[-32:].hex()} until {group.expires}" for group in signature.groups)
    return f"chain {keys}"
