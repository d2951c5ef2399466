# SPDX-License-Identifier: GPL-3.0-or-later
"""A child's backups for the child's new laptop, whose key is another one."""

from __future__ import annotations

from sugar_server.backup import snapshots
from sugar_server.backup.homes import Home, Homes, replace_link

_SECONDS_TO_WAIT = 5


def adopt(homes: Homes, old: Home, new: Home) -> list[str]:
    """Gives NEW copies of all snapshots of OLD, which keeps its own; returns the names that they have in NEW.

    Files are shared by hard links, so that it takes little room. What NEW has already stays; doing it again after an
    interruption, or after one more backup of OLD, adds what is missing.
    """
    given = []
    with homes.locked(old.identity, _SECONDS_TO_WAIT), homes.locked(new.identity, _SECONDS_TO_WAIT):
        own = set(snapshots.names(new))
        for name in snapshots.names(old):
            if name not in own:
                snapshots.copy(old.path / name, new, name)
                given.append(name)
        names = snapshots.names(new)
        if names:
            replace_link(new.latest, names[-1])
    return given
