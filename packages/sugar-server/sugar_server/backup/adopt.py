# SPDX-License-Identifier: GPL-3.0-or-later
"""A child's backups for the child's new laptop, whose key is another one."""

from __future__ import annotations

from datetime import timedelta

from sugar_server.backup import snapshots
from sugar_server.backup.homes import Home, Homes, replace_link, replace_text

_SECONDS_TO_WAIT = 5
_GIVEN = ".given"
"""In the new home: which snapshots it was given, each line the old home's identity and the name there."""


def adopt(homes: Homes, old: Home, new: Home) -> list[str]:
    """Gives NEW copies of all snapshots of OLD, which keeps its own; returns the names that they have in NEW.

    Files are shared by hard links, so that it takes little room. What NEW has already stays; doing it again after an
    interruption, or after one more backup of OLD, adds what is missing.
    """
    given = []
    with homes.locked(old.identity, _SECONDS_TO_WAIT), homes.locked(new.identity, _SECONDS_TO_WAIT):
        before = _given(new)
        for name in snapshots.names(old):
            line = f"{old.identity} {name}"
            if line not in before:
                given.append(_free_name(new, name))
                snapshots.copy(old.path / name, new, given[-1])
                before.append(line)
                replace_text(new.path / _GIVEN, "\n".join(before) + "\n")
        names = snapshots.names(new)
        if names:
            replace_link(new.latest, names[-1])
    return given


def _given(home: Home) -> list[str]:
    try:
        return (home.path / _GIVEN).read_text().splitlines()
    except FileNotFoundError:
        return []


def _free_name(home: Home, name: str) -> str:
    """The name, or that of the next minute in which the laptop itself made no backup."""
    own = set(snapshots.names(home))
    at = snapshots.moment(name)
    while name in own:
        at += timedelta(minutes=1)
        name = snapshots.name_of(at)
    return name
