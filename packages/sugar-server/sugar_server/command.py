# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands of all rooms share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sugar_server.database import in_postgresql

STATE = Path("/var/lib/sugar-server")
LIBRARY = Path("/var/lib/sugar-library")
"""Activities and builds: too large to be copied whenever the server is upgraded."""


class Failed(Exception):
    """The command failed; the message says why and what to do."""

    status = 1
    """What the program exits with."""


def add_state(parser: argparse.ArgumentParser) -> None:
    """The option that names the state's folder."""
    parser.add_argument(
        "--state", type=Path, default=STATE, metavar="DIR", help=f"the database's folder (default: {STATE})"
    )


def add_root(parser: argparse.ArgumentParser) -> None:
    """The option that names the folder below which the settings are."""
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="read DIR/etc/sugar-server instead of /etc/…"
    )


def become_owner(folder: Path, file: str) -> None:
    """Become the owner of a state folder that holds FILE: what root left there would lock the daemon out.

    PostgreSQL, too, knows the daemon by its user.
    """
    try:
        owner = folder.stat()
        if not in_postgresql() and not (folder / file).exists():
            raise Failed(f"There is no database in {folder} yet. Start the daemon: systemctl start sugar-server")
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.setgroups([])
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)
        os.umask(0o027)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError
    except PermissionError:
        raise Failed(f"{folder} may not be read. Run this command as root: sudo sugar-server …") from None
    except FileNotFoundError:
        raise Failed(f"There is no folder {folder}. Is sugar-server installed here?") from None
