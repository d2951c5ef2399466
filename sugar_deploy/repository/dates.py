"""When a tree was signed, and whether this machine's clock can be right about it."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

from sugar_deploy.errors import DeployError

SKEW_SECONDS = 600
_DATE = re.compile(r"^Date: (.*)$", re.MULTILINE)


def dated(release: str, seconds: float) -> str:
    """A Release file's text with another date, in seconds since the epoch."""
    date = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime(seconds))
    return _DATE.sub(f"Date: {date}", release, count=1)


def date_of(release: str) -> float:
    """When a Release file was made, by its text, in seconds since the epoch; 0 if it does not say."""
    match = _DATE.search(release)
    try:
        return parsedate_to_datetime(match[1].replace("UTC", "+0000")).timestamp() if match else 0
    except ValueError:
        return 0


def next_date(published: Path, now: float) -> float:
    """A date for what replaces a published tree: apt silently ignores a Release file older than the one it has."""
    releases = published.glob("dists/*/Release")
    return max([now, *(date_of(release.read_text(errors="replace")) + 1 for release in releases)])


def require_past(seconds: float, tree: Path, now: float) -> None:
    """Raise DeployError where a tree's date is in the future: apt would refuse it as well."""
    if seconds > now + SKEW_SECONDS:
        said, signed = (time.strftime("%Y-%m-%d %H:%M", time.gmtime(at)) for at in (now, seconds))
        raise DeployError(
            f"this machine's clock says {said} UTC, but {tree} was signed later, on {signed} UTC",
            "Set the clock: sudo timedatectl set-ntp true. If it is right now and was wrong then, "
            f"remove {tree} and publish again",
        )
