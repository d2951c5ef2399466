# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens while a school is at work, drawn by lot from a seed: the same seed, the same day."""

from __future__ import annotations

import random
from dataclasses import dataclass

GROUP = 5
"""Laptops that share an activity."""
_LEAVE, _LOOK, _CHAT = 0.005, 0.01, 0.1  # of all laptops, each second
_AWAY_SECONDS = (1.0, 3.0)
WAYS = ("goodbye", "reset", "silence")
"""How a laptop goes: to ad-hoc with a goodbye, off the air by a TCP reset, or so that nobody notices."""


@dataclass(frozen=True, order=True)
class Act:
    """One laptop does something, so many seconds after the beginning."""

    at_seconds: float
    number: int
    what: str
    """`look`, `chat`, or one of WAYS."""
    away_seconds: float = 0.0


def groups(count: int) -> list[list[int]]:
    """Who works together: the even numbers, some at a time; the odd ones come and go."""
    steady = list(range(0, count, 2))
    return [steady[start : start + GROUP] for start in range(0, len(steady), GROUP)]


def lesson(count: int, seconds: float, seed: str) -> list[Act]:
    """A lesson's acts in their order; nobody goes who has not come back."""
    # Made up, and to be made again from the same seed: no secret comes of it.
    chance = random.Random(f"lesson:{seed}")  # noqa: S311
    acts: list[Act] = []
    back = dict.fromkeys(range(1, count, 2), 0.0)
    for share, what in ((_LEAVE, ""), (_LOOK, "look"), (_CHAT, "chat")):
        for _ in range(max(1, round(share * count * seconds))):
            at = chance.uniform(0, seconds)
            if what:
                acts.append(Act(at, 2 * chance.randrange((count + 1) // 2), what))
                continue
            here = sorted(number for number, time in back.items() if time < at)
            if here:
                act = Act(at, chance.choice(here), chance.choice(WAYS), chance.uniform(*_AWAY_SECONDS))
                # Comings take long on a slow server: a laptop goes once in a lesson, and not twice.
                back[act.number] = seconds
                acts.append(act)
    return sorted(acts)
