# SPDX-License-Identifier: GPL-3.0-or-later
"""`sugar-client register` and `backup`."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from sugar_client.backup import run, ssh
from sugar_client.backup.datastore import count_entries
from sugar_client.backup.profile import Profile, preset_server
from sugar_client.backup.registration import register


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    command = commands.add_parser("register", help="register with the school server", description=_register.__doc__)
    command.add_argument("--server", metavar="HOST[:PORT]", help="default: what Sugar is set to, else schoolserver")
    command.add_argument(
        "--new-server", action="store_true", help="the server was set up anew: take the key that it has now"
    )
    command.add_argument("--json", action="store_true", help="as JSON, for scripts")
    command.set_defaults(run=_register)
    command = commands.add_parser("backup", help="back up the Journal", description=_backup.__doc__)
    command.add_argument("--now", action="store_true", help="also on battery, and once more on the same day")
    command.set_defaults(run=_backup)


def _register(arguments: argparse.Namespace) -> int:
    """Registers this laptop's own key for backups with the school server, in the account of Sugar's registration."""
    profile = Profile.here()
    found = register(profile, arguments.server or preset_server())
    if arguments.new_server:
        ssh.forget_server(profile)
    if arguments.json:
        print(json.dumps(found.as_object()))
    else:
        account = "in the account of Sugar's own key" if found.linked else "in an account of its own"
        print(f"Registered {found.serial} with {found.server}, {account}.")
    return 0


def _backup(arguments: argparse.Namespace) -> int:
    """Brings the Journal to the school server, at most once a day. That there is nothing to do is no failure."""
    profile, began = Profile.here(), time.monotonic()
    try:
        print(f"{count_entries(profile.datastore)} entries in the Journal.", flush=True)
        snapshot = run.back_up(profile, now=arguments.now)
    except run.NothingToDo as reason:
        print(f"No backup now: {reason}.")
        return 0
    print(f"Backed up as {snapshot} in {time.monotonic() - began:.0f} s.")
    return 0
