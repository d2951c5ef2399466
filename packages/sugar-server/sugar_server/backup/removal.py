# SPDX-License-Identifier: GPL-3.0-or-later
"""One laptop's backups, removed as a whole."""

from __future__ import annotations

from sugar_server.backup import snapshots
from sugar_server.backup.homes import Home, Homes

_SECONDS_TO_WAIT = 5
_REMOVING = ".removing-"


def remove(homes: Homes, home: Home) -> None:
    """Removes a home and the links to it; raises Busy while its laptop backs up.

    It is whole, or no home any more: where this is interrupted, finish() removes the rest.
    """
    with homes.locked(home.identity, _SECONDS_TO_WAIT):
        homes.unlink(home)
        rest = home.path.with_name(_REMOVING + home.identity)
        snapshots.remove(rest)
        home.path.rename(rest)
    snapshots.remove(rest)


def finish(homes: Homes) -> None:
    """Removes what an interrupted removal left."""
    for rest in (homes.folder / "homes").glob(f"{_REMOVING}*"):
        snapshots.remove(rest)
