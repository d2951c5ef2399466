# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a laptop takes a signature: the checks of the firmware's security.fth, in its order."""

from __future__ import annotations

from dataclasses import dataclass

from olpc_security.fields import Fields
from olpc_security.keys import PUBLIC_BYTES, PublicKey
from olpc_security.rules import Refusal, Rule
from olpc_security.signatures import SIG01, Group, read_groups, read_sig01, read_word
from olpc_security.times import require_not_expired
from olpc_security.trust import TrustedKeys


@dataclass(frozen=True)
class Check:
    """What a signature is held against; NOW is the laptop's clock in Unix seconds."""

    trusted: TrustedKeys
    now: int
    serial: str | None = None
    """A chain is bound to a serial number: without one, only sig01 can be valid."""
    hash_name: str = "sha256"


def require_signature(fields: Fields, text: bytes, check: Check) -> None:
    """Raise Refusal, with the column, unless the rest of a line is a good signature of TEXT."""
    if read_word(fields) == SIG01:
        _require_sig01(fields, text, check)
    else:
        _require_sig02(fields, text, check)


def _require_sig01(fields: Fields, text: bytes, check: Check) -> None:
    signature, (hash_column, key_column, column) = read_sig01(fields)
    _require_hash(signature.hash_name, check, hash_column)
    key = require_trusted(signature.key, check.trusted, key_column)
    _require_signed(key, signature.signature, text, check, Rule.SIGNATURE, column)


def _require_sig02(fields: Fields, text: bytes, check: Check) -> None:
    if check.serial is None:
        raise Refusal(Rule.SERIAL, "a sig02 signature counts for one laptop only, and none is given", column=1)
    is_first = True
    for group in read_groups(fields):
        hash_column, key_column, expires_column, column = group.columns
        _require_hash(group.hash_name, check, hash_column)
        key = _key_of(group, check.trusted, is_first, key_column)
        require_not_expired(group.expires, check.now, expires_column)
        is_first = False
        prefix = f"{check.serial}:{group.expires}:".encode("latin-1")
        if fields:
            # The next group's key, behind its hash, exactly as it is written.
            following = f"key01: {fields.peek(1).text}\n".encode("latin-1")
            _require_signed(key, group.signature, prefix + following, check, Rule.DELEGATION, column)
        else:
            _require_signed(key, group.signature, prefix + text, check, Rule.SIGNATURE, column)


def _key_of(group: Group, trusted: TrustedKeys, is_first: bool, column: int) -> PublicKey:
    if not is_first and len(group.key) == PUBLIC_BYTES:
        try:
            return PublicKey(group.key)
        except Refusal as refusal:
            raise Refusal(refusal.rule, refusal.what, column=column) from None
    # The firmware sees to it, for the first group, before it looks at the chain.
    return require_trusted(group.key, trusted, column)


def require_trusted(field: bytes, trusted: TrustedKeys, column: int) -> PublicKey:
    """The trusted key that a key field names; raises Refusal."""
    key = trusted.find(field)
    if key is None:
        raise Refusal(Rule.TRUSTED_KEY, f"the key …{field[-32:].hex()} is not one of them", column=column)
    return key


def _require_hash(name: str, check: Check, column: int) -> None:
    if name != check.hash_name:
        raise Refusal(Rule.HASH, f"it is {name[:20]!r}, not {check.hash_name}", column=column)


def _require_signed(key: PublicKey, signature: bytes, text: bytes, check: Check, rule: Rule, column: int) -> None:
    if not key.is_valid(signature, text, check.hash_name):
        raise Refusal(rule, f"the key …{key.keyid.hex()} has not signed this", column=column)
