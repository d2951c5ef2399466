# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to give a new laptop an old one's backups: from the teacher's pages, which only read backups, to the
service that keeps them.

A request is an empty file below the daemon's state whose name is both identities: it is there whole or not at all.
"""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"([0-9a-f]{64})-([0-9a-f]{64})")


def folder(state: Path) -> Path:
    return state / "adoptions"


def ask(state: Path, old: str, new: str) -> None:
    """Asks that the home NEW gets the snapshots of the home OLD."""
    requests = folder(state)
    requests.mkdir(exist_ok=True)
    # The service, of the same group, removes what it has done.
    requests.chmod(0o770)
    (requests / f"{old}-{new}").touch()


def asked(state: Path) -> list[tuple[str, str]]:
    """The old and the new identity of each request."""
    try:
        names = sorted(path.name for path in folder(state).iterdir())
    except FileNotFoundError:
        return []
    found = [_NAME.fullmatch(name) for name in names]
    return [(each.group(1), each.group(2)) for each in found if each]


def done(state: Path, old: str, new: str) -> None:
    """Removes a request."""
    (folder(state) / f"{old}-{new}").unlink(missing_ok=True)


def sweep(state: Path) -> list[str]:
    """Removes what is no request, and returns the names: the unit would start again and again because of it."""
    swept = []
    for path in folder(state).iterdir() if folder(state).is_dir() else ():
        if not _NAME.fullmatch(path.name):
            path.unlink()
            swept.append(path.name)
    return swept
