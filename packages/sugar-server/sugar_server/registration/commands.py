# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that look after the registrations."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sugar_server.command import Failed, add_root, add_state, become_owner
from sugar_server.registration import idmgr
from sugar_server.registration.store import NAME, Store


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    listing = commands.add_parser("registrations", help="list the laptops", description=_registrations.__doc__)
    listing.add_argument("--json", action="store_true", help="as JSON, for scripts")
    add_state(listing)
    add_root(listing)
    listing.set_defaults(run=_registrations)

    for name, run, text in (
        ("approve", _approve, "accept a laptop that waits for approval"),
        ("forget", _forget, "remove laptops' registrations"),
    ):
        command = commands.add_parser(name, help=text, description=run.__doc__)
        count = "+" if name == "forget" else None
        listed = "as `sugar-server registrations` lists it"
        command.add_argument("fingerprint", metavar="FINGERPRINT", nargs=count, help=listed)
        add_state(command)
        add_root(command)
        command.set_defaults(run=run)
    command.add_argument("--if-registered", action="store_true", help="one that is not registered is no failure")

    importing = commands.add_parser(
        "import-idmgr", help="take over the registrations of an XS or XSCE server", description=_import_idmgr.__doc__
    )
    importing.add_argument("file", type=Path, metavar="FILE", help="idmgr's identity.db, or a copy of it")
    add_state(importing)
    add_root(importing)
    importing.set_defaults(run=_import_idmgr)


def _registrations(arguments: argparse.Namespace) -> int:
    """Lists the registered laptops and those that wait for approval."""
    with _store(arguments.state) as store:
        rows = store.registrations()
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    if not rows:
        print("No laptop has registered yet.")
    for row in rows:
        nick = "".join(character if character.isprintable() else "?" for character in row["nick"])
        print(f"{row['state']:8}  {row['last_at']}  {row['serial']:20}  {row['fingerprint']}  {nick}")
    return 0


def _approve(arguments: argparse.Namespace) -> int:
    """Accepts a laptop that waits for approval; its next attempt to register succeeds."""
    with _store(arguments.state) as store, store.transaction():
        if not store.approve(arguments.fingerprint):
            raise Failed(_unknown("No laptop with this fingerprint waits for approval"))
    print("Approved. Now the laptop has to register once more.")
    return 0


def _forget(arguments: argparse.Namespace) -> int:
    """Removes laptops' registrations, accepted or waiting: all that are named, or none."""
    with _store(arguments.state) as store, store.transaction():
        for fingerprint in arguments.fingerprint:
            if not store.forget(fingerprint) and not arguments.if_registered:
                raise Failed(_unknown(f"No laptop is registered with the fingerprint {fingerprint:.80}"))
    print("Forgotten.")
    return 0


def _import_idmgr(arguments: argparse.Namespace) -> int:
    """Takes over the registrations in idmgr's identity.db, and tells what it left out and why.

    What registered here since stays as it is, so it may be done again.
    """
    try:
        rows = idmgr.read(arguments.file)
    except idmgr.UnreadableIdmgr as error:
        raise Failed(str(error)) from error
    taken = newer = faulty = 0
    with _store(arguments.state) as store:
        for row in rows:
            if isinstance(row, idmgr.Skipped):
                print(f"left out: row {row.row}, serial {row.serial!a:.60}: {row.reason}")
                faulty += 1
            elif store.import_older(row):
                taken += 1
            else:
                print(f"left out: serial {row.serial}: {row.fingerprint} registered here at that time or later")
                newer += 1
    print(f"{taken} taken over, {newer} here already, {faulty} with faults.")
    return 0


def _unknown(message: str) -> str:
    return f"{message}. `sugar-server registrations` lists them all."


@contextlib.contextmanager
def _store(folder: Path) -> Iterator[Store]:
    """The registrations, opened as their owner."""
    become_owner(folder, NAME)
    store = Store(folder)
    with contextlib.closing(store):
        yield store
