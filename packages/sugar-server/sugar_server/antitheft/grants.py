# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lease a laptop gets: one that is there already and lasts, or a new one by the delegation to this server."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from olpc_security import issue
from olpc_security.keys import PrivateKey
from olpc_security.laptop import Laptop
from olpc_security.records import Delegation, parse
from olpc_security.rules import Refusal
from olpc_security.signatures import Sig02
from olpc_security.times import NEVER, seconds_of, written

from sugar_server.antitheft.settings import AntitheftSettings
from sugar_server.antitheft.store import FOR_EVER, Kept, Standing

_DAY_SECONDS = 24 * 3600
_SHORTEST_SECONDS = 3600
"""What a delegation has left if anything is still to be signed by it."""
_log = logging.getLogger(__name__)


def end_of(expires: str) -> int:
    """A record's expiry in Unix seconds."""
    return FOR_EVER if expires == NEVER else seconds_of(expires)


@dataclass(frozen=True)
class Authority:
    """For one laptop: who it is, and the chain that ends in this server's key."""

    laptop: Laptop
    chain: Sig02
    ends: int

    def until(self, moment: int) -> str:
        """MOMENT as an expiry, or the chain's own if that comes first."""
        return written(moment) if moment < self.ends else self.chain.expires


def laptop_of(standing: Standing) -> Laptop | None:
    """Who the laptop is, as its delegation tells, be that expired or not."""
    record = parse(standing.delegation.line) if standing.delegation else None
    return record.laptop if isinstance(record, Delegation) else None


def authority(standing: Standing, key: PrivateKey | None, now: float) -> Authority | None:
    """What lets this server sign for a laptop; None where nothing does, or no longer."""
    kept = standing.delegation
    if kept is None or key is None or standing.keyid != key.public.keyid.hex():
        return None
    if kept.ends < now + _SHORTEST_SECONDS:
        _log.warning("The delegation for %s has expired: the deployment has to make a new one.", standing.serial)
        return None
    record = parse(kept.line)
    return Authority(record.laptop, record.chain, kept.ends) if isinstance(record, Delegation) else None


def lease_for(
    standing: Standing, by: Authority | None, key: PrivateKey | None, settings: AntitheftSettings, now: float
) -> Kept | None:
    """The lease for a laptop that is not stolen; None if it gets none.

    BY is None, too, while the clock is wrong: what is there already was signed by a right one, and harms nobody.
    """
    latest = standing.latest
    # Not at each request, however wide the window is.
    window = min(settings.renew_days, settings.lease_days - 0.5) * _DAY_SECONDS
    if latest is not None and latest.ends > now + window:
        return latest
    if by is None or key is None:
        return latest
    expires = by.until(int(now) + settings.lease_days * _DAY_SECONDS)
    try:
        made = issue.lease(key, by.laptop, expires, int(now), by.chain)
    except Refusal as refusal:
        _log.error("No lease can be issued for %s: %s", standing.serial, refusal)
        return latest
    fresh = Kept(standing.serial, made.line, end_of(expires))
    return fresh if latest is None or fresh.ends > latest.ends else latest
