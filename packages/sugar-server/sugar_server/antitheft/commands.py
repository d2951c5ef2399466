# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that bring in leases, delegations and the list of stolen laptops, and that serve activation."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sugar_server.antitheft import clock
from sugar_server.antitheft.settings import AntitheftSettings
from sugar_server.antitheft.store import FOR_EVER, NAME, Kept, Standing, Store
from sugar_server.command import Failed, add_root, add_state, become_owner
from sugar_server.config import load

if TYPE_CHECKING:
    from olpc_security.trust import TrustedKeys

_OTHER_KEY = (
    "Nothing was taken. It may be to another key than this server's: restore the server's backup, which has that "
    "key; or delegate to the key of `sugar-server lease-key`."
)


class NotThisKey(Failed):
    """A delegation is not to this server's key: so is each on new hardware, until its backup is restored."""

    status = 3


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    serve = _add(commands, "serve-activation", "activate laptops on port 191 (systemd does it)", _serve)
    serve.add_argument(
        "--listen", action="append", default=[], metavar="HOST:PORT", help="serve here; may be given several times"
    )
    for name, text, run in (
        ("import-leases", "take in leases, as `sugar-deploy lease issue` writes them", _import_leases),
        (
            "import-delegation",
            "take in what `sugar-deploy lease delegate` writes",
            _import_delegation,
        ),
        (
            "import-stolen",
            "take in the list that `sugar-deploy lease revoke` keeps",
            _import_stolen,
        ),
    ):
        _add(commands, name, text, run).add_argument("file", type=Path, metavar="FILE")
    _add(commands, "lease-key", "write the public key that the deployment delegates to", _lease_key)
    listing = _add(commands, "leases", "list the laptops' leases", _leases)
    listing.add_argument("--json", action="store_true", help="as JSON, for scripts")
    _add(commands, "accept-clock", "tell that the clock is right, though it went back or leapt", _accept_clock)


def _add(commands: Any, name: str, text: str, run: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=run.__doc__)
    add_root(parser)
    add_state(parser)
    parser.set_defaults(run=run)
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    """Activates laptops, on the sockets that systemd passes, or on --listen."""
    import asyncio

    from sugar_server.antitheft.activation import Activation, serve
    from sugar_server.listening import CannotServe, listen, log_to_journal

    settings = _enabled(arguments)
    log_to_journal()
    try:
        sockets = listen(arguments.listen, "sugar-server-activation.socket")
    except CannotServe as error:
        raise Failed(str(error)) from error
    asyncio.run(serve(Activation(settings, arguments.state), sockets))
    return 0


def _import_leases(arguments: argparse.Namespace) -> int:
    """Takes in leases that the deployment made. Of each laptop the one that ends last is kept."""
    from olpc_security.rules import Refusal

    from sugar_server.antitheft.grants import laptop_of
    from sugar_server.antitheft.imports import read_leases

    data, trusted = _file(arguments), _trusted(arguments)
    with _store(arguments) as store:
        try:
            leases = read_leases(data, trusted, lambda serial: laptop_of(store.standing(serial)), int(time.time()))
        except Refusal as refusal:
            raise Failed(f"{arguments.file}: {refusal}. Nothing was taken.") from None
        with store.transaction():
            count = store.take_leases(leases)
    print(f"{count} of {len(leases)} leases are new. Expired ones are left out.")
    return 0


def _import_delegation(arguments: argparse.Namespace) -> int:
    """Takes in delegations to this server's key. Of each laptop the one that ends last is kept."""
    from olpc_security.rules import Refusal, Rule

    from sugar_server.antitheft.imports import read_delegation_file
    from sugar_server.antitheft.key import own_key

    data, trusted = _file(arguments), _trusted(arguments)
    with _store(arguments) as store:
        key = own_key(arguments.state)
        if key is None:
            raise Failed("This server has no key yet. Make it with `sugar-server lease-key`, and delegate to it.")
        wrong = clock.problem(time.time(), store.last_good())
        if wrong:
            raise Failed(f"{wrong[0].upper()}{wrong[1:]}. Nothing was taken.")
        try:
            delegations = read_delegation_file(data, key.public, trusted, int(time.time()))
        except Refusal as refusal:
            if refusal.rule is Rule.SIGNATURE:
                raise NotThisKey(f"{arguments.file}: {refusal}. {_OTHER_KEY}") from None
            raise Failed(f"{arguments.file}: {refusal}. Nothing was taken.") from None
        with store.transaction():
            count = store.take_delegations(delegations, key.public.keyid.hex())
    print(f"{count} of {len(delegations)} delegations are new. Expired ones are left out.")
    return 0


def _import_stolen(arguments: argparse.Namespace) -> int:
    """Makes the list of stolen laptops this one, and tells each that came onto it or left it."""
    from olpc_security.rules import Refusal

    from sugar_server.antitheft.imports import read_stolen

    try:
        serials = read_stolen(_file(arguments))
    except Refusal as refusal:
        raise Failed(f"{arguments.file}: {refusal}. Nothing was taken.") from None
    with _store(arguments) as store, store.transaction():
        added, removed = store.set_stolen(serials, int(time.time()))
    for serial in added:
        print(f"{serial} is stolen: it gets no lease any more.")
    for serial in removed:
        print(f"{serial} is stolen no longer.")
    print(f"{len(set(serials))} laptops are on the list.")
    return 0


def _lease_key(arguments: argparse.Namespace) -> int:
    """Writes this server's public key, and makes the key before if there is none. The private half stays here.

    Redirect it into a file for `sugar-deploy keys import key`; on a terminal it is shown as a key01 line.
    """
    from sugar_server.antitheft.key import make_own_key

    _enabled(arguments)
    become_owner(arguments.state, "registrations.db")
    try:
        public = make_own_key(arguments.state).public
    except OSError as error:
        raise Failed(f"{arguments.state}: no key can be made there ({error.strerror}). Is the disk full?") from None
    if sys.stdout.isatty():
        print(public.key01, end="")
    else:
        sys.stdout.buffer.write(public.der)
    return 0


def _leases(arguments: argparse.Namespace) -> int:
    """Lists the laptops: until when their lease and their delegation are valid, and which are stolen."""
    with _store(arguments) as store:
        rows = [_row(one, arguments.state) for one in store.standings()]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        until, delegated = row["lease_until"] or "-", row["delegated_until"] or "-"
        print(f"{row['serial']}  {until:10}  {delegated:10}  {'stolen' if row['stolen'] else ''}".rstrip())
    if not rows:
        print("No laptop has a lease or a delegation here.")
    return 0


def _row(standing: Standing, state: Path) -> dict[str, object]:
    from sugar_server.antitheft.handed import noted, with_note

    handed = noted(state, standing.serial)
    return {
        "serial": standing.serial,
        "stolen": standing.is_stolen,
        "lease_until": _day(with_note(standing, handed).latest),
        "delegated_until": _day(standing.delegation),
        "activated": time.strftime("%Y-%m-%d", time.gmtime(handed.at)) if handed else None,
    }


def _accept_clock(arguments: argparse.Namespace) -> int:
    """Tells the server that its clock is right, though it went back or leapt: look at the date before."""
    now = int(time.time())
    if clock.problem(now, None):
        raise Failed(f"{clock.problem(now, None)[0].upper()}{clock.problem(now, None)[1:]}.")
    with _store(arguments) as store:
        store.note_time(now)
    print(f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime(now))} UTC is taken for right.")
    return 0


def _enabled(arguments: argparse.Namespace) -> AntitheftSettings:
    settings = load(arguments.root).antitheft
    if not settings.enabled:
        raise Failed("Leases are switched off here. Set [antitheft] enabled = yes, and restart sugar-server.")
    return settings


@contextlib.contextmanager
def _store(arguments: argparse.Namespace) -> Iterator[Store]:
    _enabled(arguments)
    become_owner(arguments.state, NAME)
    with contextlib.closing(Store(arguments.state)) as store:
        yield store


def _file(arguments: argparse.Namespace) -> bytes:
    from sugar_server.antitheft.imports import LARGEST

    try:
        if arguments.file.stat().st_size > LARGEST:
            raise Failed(f"{arguments.file} is larger than {LARGEST // 2**20} MiB. Is it the right file?")
        return bytes(arguments.file.read_bytes())
    except OSError as error:
        raise Failed(f"{arguments.file} cannot be read ({error.strerror}).") from None


def _trusted(arguments: argparse.Namespace) -> TrustedKeys:
    from sugar_server.antitheft.trusted import NoKeys, read_keys

    try:
        return read_keys(arguments.root / _enabled(arguments).keys.lstrip("/"))
    except NoKeys as error:
        raise Failed(str(error)) from None


def _day(kept: Kept | None) -> str | None:
    if kept is None:
        return None
    return "for ever" if kept.ends == FOR_EVER else time.strftime("%Y-%m-%d", time.gmtime(kept.ends))
