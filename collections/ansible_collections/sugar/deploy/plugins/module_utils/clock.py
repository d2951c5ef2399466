# SPDX-License-Identifier: GPL-3.0-or-later
"""apt's complaints that come from a wrong clock, or from a key whose time is over: what to do, with the times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_UNITS = {"d": 86400, "h": 3600, "min": 60, "s": 1}
# Of apt itself, where the Release file's date is ahead: "not valid yet (invalid for another 16d 23h 59min 50s)".
_AHEAD = re.compile(r"not valid yet \(invalid for another ([^)]+)\)")
_SPAN = re.compile(r"(\d+) ?(d|h|min|s)\b")
# Of sqv, which Debian 13 proves signatures with, and which forgives half an hour.
_NOT_LIVE = re.compile(r"Not live until (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_FORGIVEN = timedelta(minutes=30)
# Of gnutls or openssl, of gpgv, and of others that may prove it one day: without the time of the signature.
_EARLY = re.compile(
    r"not valid yet|not yet (?:valid|activated)|[Nn]ot live until|in the future|time warp or clock problem"
)
# Of gpgv and of sqv.
_EXPIRED = re.compile(r"EXPKEYSIG|KEYEXPIRED|key (?:has )?expired|Expired on \d{4}-")


def remedy(complaint, now):
    """What to do about apt's complaint where time is the cause, else None; NOW is the host's clock, in seconds."""
    clock = datetime.fromtimestamp(now, timezone.utc)
    if _EARLY.search(complaint):
        return _set_forward(clock, signed_at(complaint, clock))
    if _EXPIRED.search(complaint):
        return (
            f"This server's clock shows {_shown(clock)}, and by then the repository's signing key has expired. If "
            "the clock is right, renew the key and apply again: sugar-deploy repo key --renew. If not, set it on the "
            'server: date -u -s "YYYY-MM-DD HH:MM"'
        )
    return None


def signed_at(complaint, clock):
    """When the repository was signed, to the minute, or None where apt does not say so."""
    if found := _AHEAD.search(complaint):
        spans = _SPAN.findall(found[1])
        at = clock + timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in spans))
    elif found := _NOT_LIVE.search(complaint):
        at = datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S%z") + _FORGIVEN
    else:
        return None
    # Upwards: a clock that is set to this is not too early again.
    return (at + timedelta(seconds=59)).replace(second=0, microsecond=0)


def _set_forward(clock, signed):
    when = f"the repository was signed on {_shown(signed)}" if signed else "the repository was signed later than that"
    least = f"{signed:%Y-%m-%d %H:%M}" if signed else "YYYY-MM-DD HH:MM"
    return (
        f'This server\'s clock shows {_shown(clock)}; {when}. Set it, on the server: date -u -s "{least}", or better '
        "to the present time. A clock that falls back whenever the server starts needs a new battery."
    )


def _shown(time):
    return f"{time:%Y-%m-%d %H:%M} UTC"
