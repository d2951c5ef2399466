# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that take, list and look after the backups."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from sugar_server.backup.homes import Busy, Home, Homes
from sugar_server.backup.registered import Registered, Registrations, Unknown
from sugar_server.command import Failed, add_state, become_owner
from sugar_server.config import Config, load

_SECONDS_OF_A_LINK = 3600
_SECONDS_FOR_REQUESTS = 3600


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    serve = _add(commands, "serve-backups", "take the laptops' backups (systemd does it)", _serve)
    serve.add_argument(
        "--listen", action="append", default=[], metavar="HOST:PORT", help="serve here; may be given several times"
    )
    listing = _add(commands, "backups", "list the backups", _backups)
    listing.add_argument("--json", action="store_true", help="as JSON, for scripts")
    purge = _add(commands, "purge-backups", "remove old backups where the disk fills (systemd does it)", _purge)
    purge.add_argument("--dry-run", action="store_true", help="only tell what would be removed")
    adopt = _add(commands, "adopt", "give a new laptop the backups of an old one", _adopt)
    adopt.add_argument("old", metavar="OLD", nargs="?", help="serial, fingerprint or home of the old laptop")
    adopt.add_argument("new", metavar="NEW", nargs="?", help="of the new one, which has registered")
    adopt.add_argument(
        "--requested", action="store_true", help="do what was asked for on the teacher's pages (systemd does it)"
    )
    remove = _add(commands, "remove-backups", "remove all backups of laptops, as of a child who has left", _remove)
    remove.add_argument("laptops", metavar="LAPTOP", nargs="+", help="fingerprint or home")
    link = _add(commands, "restore-link", "a link to a child's backups that is good for an hour", _link)
    link.add_argument("laptop", metavar="LAPTOP", help="serial, fingerprint or home")


def _add(commands: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=run.__doc__)
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="read DIR/etc/sugar-server instead of /etc/…"
    )
    add_state(parser)
    parser.set_defaults(run=run)
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    """Takes the laptops' backups over SSH, on the sockets that systemd passes, or on --listen."""
    from sugar_server.backup import service
    from sugar_server.backup.sandbox import NoSandbox
    from sugar_server.listening import CannotServe, listen, log_to_journal

    settings = load(arguments.root).backup
    log_to_journal()
    try:
        sockets = listen(arguments.listen, "sugar-server-backup.socket")
        service.run(settings, arguments.state, sockets)
    except (CannotServe, NoSandbox) as error:
        raise Failed(str(error)) from error
    except OSError as error:
        raise Failed(f"{settings.folder} cannot be used ({error}). Its owner is sugar-backup.") from error
    return 0


def _backups(arguments: argparse.Namespace) -> int:
    """Lists each child's backups: the last one, how many there are, and the room that they take."""
    from sugar_server.backup import snapshots
    from sugar_server.backup.purge import measure

    homes = Homes(Path(load(arguments.root).backup.folder))
    nicks = {laptop.identity: laptop.nick for laptop in _registered(arguments.state)}
    _become_owner(homes)
    rows: list[dict[str, Any]] = []
    for home in homes.all():
        names = snapshots.names(home)
        rows.append(
            {
                "serial": home.serial,
                "nick": nicks.get(home.identity),
                "identity": home.identity,
                "last_backup": snapshots.moment(names[-1]).strftime("%Y-%m-%dT%H:%MZ") if names else None,
                "snapshots": len(names),
                "bytes": measure(home.path).bytes,
            }
        )
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    if not rows:
        print("No laptop has backed up yet.")
    for row in rows:
        nick = "".join(character if character.isprintable() else "?" for character in row["nick"] or "")
        print(
            f"{row['serial']:20}  {row['last_backup'] or 'never':17}  {row['snapshots']:5}  "
            f"{row['bytes'] / 2**20:9.1f} MiB  {row['identity'][:16]}  {nick}"
        )
    return 0


def _purge(arguments: argparse.Namespace) -> int:
    """Removes old backups where the disk fills, and tells each."""
    from sugar_server.backup import purge, service

    settings = load(arguments.root).backup
    homes = Homes(Path(settings.folder))
    _become_owner(homes)
    if not arguments.dry_run:
        service.clear(homes)
    count = 0
    for removal in purge.purge(homes, settings, time.time(), arguments.dry_run):
        count += 1
        print(f"{removal.home.serial} {removal.home.identity[:16]} {removal.snapshot}: {removal.why}", flush=True)
    print(f"{count} snapshots {'would be' if arguments.dry_run else 'were'} removed.")
    return 0


def _adopt(arguments: argparse.Namespace) -> int:
    """Gives a new laptop copies of an old one's backups, from which its Journal can be restored."""
    homes = Homes(Path(load(arguments.root).backup.folder))
    if arguments.requested:
        _become_owner(homes)
        return _adopt_requested(homes, arguments.state)
    if arguments.old is None or arguments.new is None:
        raise Failed("Name the old and the new laptop: sugar-server adopt OLD NEW")
    registered = _registered(arguments.state)
    _become_owner(homes)
    try:
        print(_given(homes, registered, arguments.old, arguments.new))
    except Busy:
        raise Failed("One of the two is backing up just now. Try again in a minute.") from None
    return 0


def _adopt_requested(homes: Homes, state: Path) -> int:
    """Does each request, those of laptops that back up just now later. None is left: its unit would start again."""
    from sugar_server.backup import adoptions

    failures = len(adoptions.sweep(state))
    deadline = time.monotonic() + _SECONDS_FOR_REQUESTS
    while requests := adoptions.asked(state):
        for old, new in requests:
            try:
                print(_given(homes, _registered(state), old, new), flush=True)
            except Busy:
                if time.monotonic() < deadline:
                    continue
                failures += 1
                print(f"{old} is not given to {new}: one of the two never stops backing up.", flush=True)
            except (Failed, OSError) as error:
                failures += 1
                print(f"{old} is not given to {new}: {error}", flush=True)
            adoptions.done(state, old, new)
        time.sleep(1)
    return 1 if failures else 0


def _given(homes: Homes, registered: list[Registered], old_name: str, new_name: str) -> str:
    """Gives the backups, and tells it; raises Busy while one of the two backs up."""
    from sugar_server.backup import adopt

    old = _one(homes.named(old_name), old_name)
    known = homes.named(new_name)
    if not known:
        matching = [one for one in registered if new_name in (one.serial, one.fingerprint, one.identity)]
        known = [homes.enter(laptop.identity, laptop.serial) for laptop in matching]
    new = _one(known, new_name)
    if old == new:
        raise Failed("The old and the new laptop are the same. Name another one.")
    given = adopt.adopt(homes, old, new)
    return f"{new.serial} has {len(given)} backups of {old.serial}, which keeps its own."


def _remove(arguments: argparse.Namespace) -> int:
    """Removes all backups of laptops, for ever. One that has none is no failure: it may be done again."""
    from sugar_server.backup import snapshots

    homes = Homes(Path(load(arguments.root).backup.folder))
    _become_owner(homes)
    for name in arguments.laptops:
        # Not by serial: two children may have one.
        found = [home for home in homes.named(name) if name.lower() != home.serial.lower()]
        for home in found:
            try:
                snapshots.remove(homes.take_out(home))
            except Busy:
                raise Failed(f"{name} is backing up just now. Try again in a minute.") from None
        print(f"{name}: {'all backups were removed' if found else 'no backups'}.")
    return 0


def _link(arguments: argparse.Namespace) -> int:
    """Prints a link to a child's backups. Whoever has it can read them without a login, for an hour."""
    from sugar_server.backup.tokens import Tokens

    config = load(arguments.root)
    home = _one(Homes(Path(config.backup.folder)).named(arguments.laptop), arguments.laptop)
    become_owner(arguments.state, "registrations.db")
    print(_address(config, home, Tokens.of(arguments.state).make(home.identity, _SECONDS_OF_A_LINK)))
    return 0


def _address(config: Config, home: Home, token: str) -> str:
    return f"http://{config.fqdn}/ds-restore/{home.serial}?token={token}"


def _registered(state: Path) -> list[Registered]:
    try:
        return Registrations(state).all()
    except Unknown as error:
        raise Failed(str(error)) from error


def _become_owner(homes: Homes) -> None:
    """Become the owner of the backups: what root left there would lock the service out."""
    if not (homes.folder / "homes").is_dir() and homes.folder.is_dir() and os.access(homes.folder, os.X_OK):
        return  # nothing there yet
    become_owner(homes.folder, "homes")


def _one(found: list[Home], name: str) -> Home:
    if not found:
        raise Failed(f"No laptop called {name} has backed up. `sugar-server backups` lists them all.")
    if len(found) > 1:
        several = ", ".join(home.identity for home in found)
        raise Failed(f"Several laptops are called {name}. Name one of these: {several}")
    return found[0]
