# SPDX-License-Identifier: GPL-3.0-or-later
"""The registered laptops as the pages tell of them: found, sorted, and in pages of their own.

Without a login nobody gets keys, addresses, serial numbers or UUIDs; a laptop has a number of its own here.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

PER_PAGE = 100
"""Of a thousand laptops, a page of at most 100 KB holds so many."""


@dataclass(frozen=True)
class Laptop:
    """A registered laptop, or one that waits for approval."""

    identity: str
    held: bool
    nick: str
    group: str
    """The child's class, "" if nobody told it."""
    serial: str
    registered: float
    latest: float
    """When it registered last."""

    @property
    def number(self) -> str:
        """Names the laptop in addresses. It is made of its identity, and does not tell it."""
        return hashlib.sha256(f"{'held' if self.held else 'page of'} {self.identity}".encode()).hexdigest()[:20]


def laptops(rows: Iterable[Mapping[str, Any]]) -> list[Laptop]:
    """The laptops in the registrations' rows, by class and name."""
    found = [
        Laptop(
            identity=row["fingerprint"],
            held=row["state"] == "held",
            nick=row["nick"],
            group=row["class_group"] or "",
            serial=row["serial"],
            registered=_moment(row["first_at"]),
            latest=_moment(row["last_at"]),
        )
        for row in rows
    ]
    return sorted(found, key=lambda laptop: (_sortable(laptop.group), _sortable(laptop.nick), laptop.identity))


def matching(all_of_them: Sequence[Laptop], words: str, with_serials: bool) -> list[Laptop]:
    """Those whose nick or class holds all the words, or, for the teacher, whose serial number does."""
    wanted = _sortable(words).split()
    return [
        laptop
        for laptop in all_of_them
        if all(
            word in _sortable(f"{laptop.nick}\n{laptop.group}\n{laptop.serial if with_serials else ''}")
            for word in wanted
        )
    ]


def _sortable(text: str) -> str:
    """Without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


def _moment(text: str) -> float:
    """Seconds since 1970 of a time as 2026-01-31T12:00:00Z."""
    return datetime.fromisoformat(text.rstrip("Z")).replace(tzinfo=timezone.utc).timestamp()
