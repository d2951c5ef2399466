# SPDX-License-Identifier: GPL-3.0-or-later
"""What each laptop will do this morning, and when: all of it from a seed, before anything is sent.

Each laptop has its own chances, so that the first hundred of a thousand do what a hundred do.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection
from dataclasses import dataclass

SERVICES = ("registration", "backup", "restore", "updates", "statistics", "pages")
PAGES = ("/", "/laptops", "/server")
_KINDS = (("ed25519", 0.92), ("dsa", 0.06), ("rsa", 0.02))
"""Keys: today's Sugar makes Ed25519 keys; the XO generation made DSA ones, and some in between RSA ones."""
_NEW = 0.10
"""The share of laptops that the server does not know yet."""
_RESTORES, _UPDATES, _READS = 0.05, 0.15, 0.25
"""The shares that read an entry back, fetch one of the activities, and read the school's pages."""
_FEWEST, _MOST, _USUAL = 3, 60, 12
"""Entries of a Journal."""
_MOST_ADDED = 4
"""Entries that a child made since the last backup."""
_APART = (2.0, 60.0)
"""Seconds between two things that a laptop does, at least and most."""


@dataclass(frozen=True)
class Deed:
    """One thing that a laptop does; `at` in seconds of school time since the morning began."""

    name: str
    at: float


@dataclass(frozen=True)
class Planned:
    """One laptop's morning."""

    number: int
    seed: str
    serial: str
    kind: str
    """Of its key."""
    new: bool
    """Whether it registers this morning, and not the day before."""
    entries: int
    """Of its Journal the day before."""
    added: int
    """Entries that come since."""
    deeds: tuple[Deed, ...]


def plan(count: int, seed: str, minutes: float, services: Collection[str]) -> list[Planned]:
    """The laptops, by number; most come in the first half of the morning."""
    return [_planned(number, seed, minutes * 60, services) for number in range(count)]


def _planned(number: int, seed: str, seconds: float, services: Collection[str]) -> Planned:
    own = f"{seed}:{number}"
    chance = random.Random(f"load:{own}")  # noqa: S311 - made up, and to be made again
    new = chance.random() < _NEW
    drawn = chance.random()
    kind = "ed25519" if drawn < _KINDS[0][1] else "dsa" if drawn < _KINDS[0][1] + _KINDS[1][1] else "rsa"
    entries = round(chance.triangular(_FEWEST, _MOST, _USUAL))
    added = chance.randint(1, _MOST_ADDED)
    arrives = chance.betavariate(2, 4) * seconds
    # Drawn in any case: without one service the others' chances are the same.
    shares = {"restore": _RESTORES, "bundle": _UPDATES, "page": _READS}
    drawn_for = {name: chance.random() < share for name, share in shares.items()}
    # Old keys may not read backups, and who is new has none of yesterday.
    drawn_for["restore"] &= kind == "ed25519" and not new
    waits = [chance.uniform(*_APART) for _ in range(6)]
    wanted = (
        ("registration", new and "registration" in services),
        ("activities", "updates" in services),
        ("statistics", "statistics" in services),
        ("backup", "backup" in services),
        ("bundle", drawn_for["bundle"] and "updates" in services),
        ("page", drawn_for["page"] and "pages" in services),
        ("restore", drawn_for["restore"] and "restore" in services),
    )
    times = [arrives, *(arrives + sum(waits[: number + 1]) for number in range(len(waits)))]
    deeds = tuple(Deed(name, round(at, 3)) for (name, is_wanted), at in zip(wanted, times) if is_wanted)
    new = new and "registration" in services
    return Planned(number, own, _serial(seed, number), kind, new, entries, added, deeds)


def _serial(seed: str, number: int) -> str:
    """In the form that a laptop without a serial number makes up; no maker's begins with these letters."""
    return f"LOD{int(hashlib.sha256(seed.encode()).hexdigest(), 16) % 10_000:04d}{number:04d}"
