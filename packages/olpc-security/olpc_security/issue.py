# SPDX-License-Identifier: GPL-3.0-or-later
"""Issuing records. Each refuses to make what a laptop whose clock is right would refuse."""

from __future__ import annotations

from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.laptop import Laptop
from olpc_security.records import (
    COUNT,
    DEVELOPER_DISPOSITION,
    DEVELOPER_KEY,
    LEASE,
    LEASE_DISPOSITION,
    Delegation,
    RtcReset,
    Timed,
    rtc_text,
    timed_text,
)
from olpc_security.rules import Refusal, Rule
from olpc_security.sign import delegate, sign01, sign02
from olpc_security.signatures import Sig02, Signature
from olpc_security.times import NEVER, require_not_expired, seconds_of


def lease(key: PrivateKey, laptop: Laptop, expires: str, now: int, chain: Sig02 | None = None) -> Timed:
    """A lease until EXPIRES; NOW in Unix seconds. With a chain that ends in KEY, a delegated one."""
    require_not_expired(expires, now)
    text = timed_text(laptop, LEASE_DISPOSITION, expires)
    signature: Signature = sign02(key, text, laptop.serial, expires, chain) if chain else sign01(key, text)
    return Timed(LEASE, laptop.serial, LEASE_DISPOSITION, expires, signature)


def developer_key(key: PrivateKey, laptop: Laptop) -> Timed:
    """A developer key; it never expires."""
    text = timed_text(laptop, DEVELOPER_DISPOSITION, NEVER)
    return Timed(DEVELOPER_KEY, laptop.serial, DEVELOPER_DISPOSITION, NEVER, sign01(key, text))


def rtc_reset(
    key: PrivateKey, laptop: Laptop, *, current: str, count: str, new: str, chain: Sig02 | None = None
) -> RtcReset:
    """Leave to set the clock to NEW for a laptop that shows the time CURRENT and the count COUNT."""
    if not COUNT.fullmatch(count):
        raise Refusal(Rule.COUNT, f"{count[:20]!r} is no count")
    if current != NEVER:
        seconds_of(current)
    seconds_of(new)
    text = rtc_text(laptop, current, count, new)
    # The record has no expiry of its own; a chain's last group ends with the chain.
    signature: Signature = sign02(key, text, laptop.serial, chain.expires, chain) if chain else sign01(key, text)
    return RtcReset(laptop.serial, current, count, new, signature)


def delegation(
    key: PrivateKey, to: PublicKey, laptop: Laptop, expires: str, now: int, chain: Sig02 | None = None
) -> Delegation:
    """Leave for the key TO to sign for one laptop until EXPIRES."""
    require_not_expired(expires, now)
    return Delegation(laptop, delegate(key, to, laptop.serial, expires, chain))
