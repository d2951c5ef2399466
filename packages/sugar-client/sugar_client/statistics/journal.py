# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Journal says about usage: one file per property below datastore/XX/UID/metadata/.

Only the properties named here are opened: no title, no preview, no content.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOST_BYTES = 64 * 1024
_DAY_SECONDS = 86400
_BUNDLE_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True)
class Launch:
    """An activity was started with an entry, new or an earlier one."""

    at: int
    """Seconds since 1970."""
    spent_seconds: int
    is_first: bool
    """Whether the entry was made by it."""


@dataclass(frozen=True)
class Entry:
    """An entry's dates, in seconds since 1970."""

    activity: str | None
    """A bundle id; None where there is none that could be one."""
    created_at: int | None
    changed_at: int | None
    launches: tuple[Launch, ...]


def entries(datastore: Path) -> Iterator[Entry]:
    """All entries; a property that is missing or damaged is as if it had never been written."""
    for metadata in sorted(datastore.glob(f"??/{'?' * 36}/metadata")):
        activity = _text(metadata / "activity").strip()
        yield Entry(
            activity if _BUNDLE_ID.fullmatch(activity) else None,
            _seconds(_text(metadata / "creation_time")),
            _seconds(_text(metadata / "timestamp")),
            _launches(_text(metadata / "launch-times"), _text(metadata / "spent-times")),
        )


def _launches(times: str, spent: str) -> tuple[Launch, ...]:
    """Of Sugar's two lists the pairs that belong together: `1769900000, 1769990000` and `120, 0`."""
    durations = [_seconds(text) or 0 for text in spent.split(",")]
    found = []
    for place, text in enumerate(times.split(",")):
        at = _seconds(text)
        if at is not None:
            # A clock that was set meanwhile makes a session of years, or one that ends before it begins.
            duration = durations[place] if place < len(durations) else 0
            found.append(Launch(at, min(duration, _DAY_SECONDS), is_first=place == 0))
    return tuple(found)


def _seconds(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number >= 0 else None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
