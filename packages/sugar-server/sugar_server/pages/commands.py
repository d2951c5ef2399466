# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that makes or sets the teacher's password."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from sugar_server.command import Failed, add_root, add_state, become_owner
from sugar_server.pages.password import Unsuitable, generate, write
from sugar_server.registration.store import NAME


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    command = commands.add_parser("password", help="make the teacher's password", description=_password.__doc__)
    command.add_argument("--set", action="store_true", help="take the one on the first line of standard input")
    add_state(command)
    add_root(command)
    command.set_defaults(run=_password)


def _password(arguments: argparse.Namespace) -> int:
    """Makes a new password for the teacher's pages and prints it, this once; who is logged in is logged out."""
    try:
        password = sys.stdin.readline().rstrip("\r\n") if arguments.set else generate()
    except UnicodeDecodeError:
        raise Failed("The password is not text in UTF-8. Nothing was changed.") from None
    become_owner(arguments.state, NAME)
    try:
        write(arguments.state, password)
    except Unsuitable as error:
        raise Failed(f"This cannot be the password: {error}. Nothing was changed.") from None
    except OSError as error:
        raise Failed(
            f"The password cannot be kept in {arguments.state} ({error.strerror}). Make room there."
        ) from None
    if not arguments.set:
        print(password)
    return 0
