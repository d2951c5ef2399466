# SPDX-License-Identifier: GPL-3.0-or-later
"""`sugar-client owner-key`."""

from __future__ import annotations

import argparse
from typing import Any

from sugar_client.command import Failed
from sugar_client.owner import key
from sugar_client.profile import Profile


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    command = commands.add_parser("owner-key", help="make Sugar's key where it cannot", description=_make.__doc__)
    command.set_defaults(run=_make)


def _make(_arguments: argparse.Namespace) -> int:
    """Makes the key that Sugar knows its child by, where OpenSSH no longer makes keys of Sugar's type."""
    profile = Profile.here()
    if not profile.folder.is_dir():
        raise Failed(f"{profile.folder}: there is no such profile. Start Sugar once, which makes it.")
    try:
        made = key.make(profile.owner_key)
    except OSError as error:
        raise Failed(f"{error.filename or profile.folder}: {error.strerror}. Is the disk full?") from None
    print(f"{profile.owner_key}: made." if made else "Nothing to do: Sugar has its key, or makes it itself.")
    return 0
