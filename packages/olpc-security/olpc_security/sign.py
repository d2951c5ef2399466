# SPDX-License-Identifier: GPL-3.0-or-later
"""Making signatures and delegations."""

from __future__ import annotations

from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.rules import Refusal, Rule
from olpc_security.signatures import MOST_GROUPS, Group, Sig01, Sig02
from olpc_security.times import NEVER, require_within, seconds_of


def sign01(key: PrivateKey, text: bytes, hash_name: str = "sha256") -> Sig01:
    """A signature of TEXT."""
    return Sig01(hash_name, key.public.keyid, key.sign(text, hash_name))


def sign02(key: PrivateKey, text: bytes, serial: str, expires: str, chain: Sig02 | None = None) -> Sig02:
    """A signature of TEXT for one laptop until EXPIRES, resting on a chain that ends in this key if one is given.

    Raises Refusal where the chain is too long already or ends earlier. Whether it ends in this key, only
    `require_delegation` can tell.
    """
    groups = chain.groups if chain else ()
    if expires != NEVER:
        seconds_of(expires)
    if chain is not None:
        require_within(expires, chain.expires)
    if len(groups) >= MOST_GROUPS:
        raise Refusal(Rule.CHAIN_LENGTH, f"the chain has {len(groups)} groups already")
    # The key behind a delegation stands there as the delegation signed it, in full.
    field = key.public.der if groups else key.public.keyid
    signature = key.sign(f"{serial}:{expires}:".encode("ascii") + text)
    return Sig02((*groups, Group("sha256", field, expires, signature)))


def delegate(key: PrivateKey, to: PublicKey, serial: str, expires: str, chain: Sig02 | None = None) -> Sig02:
    """A chain that lets the key TO sign for one laptop until EXPIRES."""
    return sign02(key, to.key01.encode("ascii"), serial, expires, chain)
