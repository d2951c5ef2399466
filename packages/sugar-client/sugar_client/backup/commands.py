# SPDX-License-Identifier: GPL-3.0-or-later
"""`sugar-client register`, `backup` and `restore`."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Callable

from sugar_client.backup import restore, run, ssh
from sugar_client.backup.datastore import count_entries
from sugar_client.backup.registration import register
from sugar_client.command import Failed
from sugar_client.profile import Profile, preset_server


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    command = commands.add_parser("register", help="register with the school server", description=_register.__doc__)
    command.add_argument("--server", metavar="HOST[:PORT]", help="default: what Sugar is set to, else schoolserver")
    command.add_argument(
        "--new-server", action="store_true", help="the server was set up anew: take the key that it has now"
    )
    command.add_argument("--json", action="store_true", help="as JSON, for scripts")
    command.set_defaults(run=_told(_register))
    command = commands.add_parser("backup", help="back up the Journal", description=_backup.__doc__)
    command.add_argument("--now", action="store_true", help="also on battery, and once more on the same day")
    command.set_defaults(run=_told(_backup))
    command = commands.add_parser("restore", help="bring the Journal back", description=_restore.__doc__)
    command.add_argument("snapshot", nargs="?", metavar="SNAPSHOT", help="default: the newest")
    command.add_argument("--list", action="store_true", help="only show which snapshots there are")
    command.add_argument("--json", action="store_true", help="with --list: as JSON, for scripts")
    command.add_argument("--entry", metavar="UID", help="only this entry, as the file that -o names")
    command.add_argument("-o", "--output", type=Path, metavar="FILE.xoj", help="where the entry goes")
    command.set_defaults(run=_told(_restore))


def _told(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """The command, with a full disk and the like told as any other failure."""

    def told(arguments: argparse.Namespace) -> int:
        try:
            return run(arguments)
        except OSError as error:
            raise Failed(
                f"{error.filename or 'a file'}: {error.strerror}. Is the disk full, or of another user?"
            ) from None

    return told


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


def _restore(arguments: argparse.Namespace) -> int:
    """Makes a backup the Journal, while Sugar is closed; the Journal that was there before is kept beside it."""
    if (arguments.entry is None) != (arguments.output is None):
        raise Failed("--entry UID and -o FILE.xoj go together.")
    profile = Profile.here()
    try:
        with run.alone(profile):
            connection = restore.connect(profile)
            if arguments.list:
                _list(run.snapshots(connection), as_json=arguments.json)
            elif arguments.entry is not None:
                name = restore.one(profile, connection, arguments.snapshot, arguments.entry, arguments.output)
                print(f"{arguments.output}: the entry as it was in {name}. Sugar's Journal opens it.")
            else:
                done = restore.whole(profile, connection, arguments.snapshot)
                print(f"The Journal is that of {done.snapshot}, with {done.entries} entries.")
                if done.kept:
                    print(f"What was there before is kept: {done.kept}")
    except run.NothingToDo as reason:
        raise Failed(f"{reason}. Try again later.") from None
    return 0


def _list(snapshots: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(snapshots, indent=2))
        return
    for each in snapshots:
        print(f"{each.get('snapshot')!s:.40}  {each.get('entries')!s:.10} entries")
    if not snapshots:
        print("The school server has no backup of this child.")
