# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a laptop from backing up now: as ds-backup decided, cheapest first, and what the server said."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sugar_client.files import read_object, write_object
from sugar_client.profile import Profile

POWER = Path("/sys/class/power_supply")
_LEAST_CHARGE_PERCENT = 30
_LONGEST_WAIT = 2 * 3600
"""Seconds. A time that is later than this was noted by a clock that erred."""


@dataclass(frozen=True)
class State:
    """How the last backup went."""

    done_on: str = ""
    """The local day of the last success, as 2026-01-31."""
    snapshot: str = ""
    """What the server calls it."""
    not_before: float = 0.0
    """Unix time until which the server wants to be left alone."""
    failure: str = ""
    """Why the last attempt failed; empty after a success."""

    @classmethod
    def read(cls, profile: Profile) -> State:
        kept: dict[str, Any] = read_object(_path(profile))
        known = {name: kept[name] for name, value in asdict(cls()).items() if isinstance(kept.get(name), type(value))}
        return cls(**known)

    def write(self, profile: Profile) -> None:
        profile.make_own()
        write_object(_path(profile), asdict(self))

    def done(self, snapshot: str, now: float) -> State:
        return State(done_on=_day(now), snapshot=snapshot)

    def wait(self, seconds: float, now: float) -> State:
        """Up to half as long again: laptops that are sent away together do not come back together."""
        longer = seconds * (1 + random.random() / 2)  # noqa: S311 (spreads load, keeps no secret)
        return replace(self, not_before=now + min(longer, _LONGEST_WAIT), failure="")


def nothing_to_do(state: State, now: float, power: Path = POWER) -> str:
    """Why there is no backup to make now; empty if there is one."""
    if state.done_on == _day(now):
        return f"already backed up today ({state.snapshot})"
    charge = charge_on_battery(power)
    if charge is not None and charge < _LEAST_CHARGE_PERCENT:
        return f"on battery with {charge} % left"
    return told_to_wait(state, now)


def told_to_wait(state: State, now: float) -> str:
    """Until when the server wants to be left alone; empty if it does not."""
    if not now < state.not_before <= now + _LONGEST_WAIT:
        return ""
    return f"the school server is busy; next attempt after {time.strftime('%H:%M', time.localtime(state.not_before))}"


def charge_on_battery(power: Path) -> int | None:
    """Percent left of the fullest battery while the laptop runs on it; None on mains, or where nothing is known."""
    charges = []
    for supply in sorted(power.iterdir()) if power.is_dir() else []:
        kind = _text(supply / "type")
        if kind in {"Mains", "USB"} and _text(supply / "online") == "1":
            return None
        # A mouse has a battery, too: its scope is Device.
        if kind == "Battery" and _text(supply / "scope") != "Device":
            if _text(supply / "status") != "Discharging":
                return None
            if _text(supply / "capacity").isdigit():
                charges.append(int(_text(supply / "capacity")))
    return max(charges, default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _day(now: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(now))


def _path(profile: Profile) -> Path:
    return profile.own / "backup.json"
