# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys a laptop trusts for a purpose: built into its firmware, replaced and supplemented by its tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from olpc_security.keys import PublicKey
from olpc_security.rules import Refusal

PURPOSES = {"s": "fs", "o": "os", "w": "fw", "d": "developer", "a": "lease"}
"""The letter of the manufacturing tags, and the built-in key's name."""


@dataclass(frozen=True)
class TrustedKeys:
    """The keys for one purpose, in the order in which the firmware tries them."""

    keys: tuple[PublicKey, ...]

    def find(self, field: bytes) -> PublicKey | None:
        """The key that a signature's key field names: a keyid, or a whole key."""
        return next((key for key in self.keys if key.der.endswith(field)), None)


def trusted_keys(tags: Mapping[str, bytes], purpose: str, built_in: PublicKey | None = None) -> TrustedKeys:
    """The keys of a laptop for a purpose's letter, from its manufacturing tags.

    Tag x0 takes the built-in key's place, x1 to x9 follow. The firmware ignores what has not the length of a key.
    """
    first = _key(tags.get(f"{purpose}0")) or built_in
    more = (_key(tags.get(f"{purpose}{number}")) for number in range(1, 10))
    return TrustedKeys(tuple(key for key in (first, *more) if key is not None))


def _key(der: bytes | None) -> PublicKey | None:
    try:
        return None if der is None else PublicKey(der)
    except Refusal:
        return None
