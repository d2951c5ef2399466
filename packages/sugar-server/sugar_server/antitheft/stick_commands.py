# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that takes in a stick with what activates the school's laptops."""

from __future__ import annotations

import argparse
import contextlib
import os
import syslog
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sugar_server.antitheft import clock
from sugar_server.antitheft.store import NAME, Store
from sugar_server.command import Failed, add_root, add_state, become_owner
from sugar_server.config import load

if TYPE_CHECKING:
    from olpc_security.trust import TrustedKeys

    from sugar_server.antitheft.sticks import Brought

SECURITY_ON = "etc/xs-security-on"
"""Where there is such a file, as on XS school servers, only signed sticks are taken."""
_NOTHING = "Nothing was taken."


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = commands.add_parser(
        "import-activation-stick",
        help="take in a stick with leases, delegations and the list of stolen laptops",
        description=_import.__doc__,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the stick is mounted")
    parser.add_argument(
        "--name",
        default=os.uname().nodename.partition(".")[0],
        help="what this server's folder on the stick is called (default: %(default)s)",
    )
    add_root(parser)
    add_state(parser)
    parser.set_defaults(run=_import)


def _import(arguments: argparse.Namespace) -> int:
    """Takes in xs-activation/NAME of a stick, or xs-activation, if it is as it was made; all of it, or nothing.

    A list of stolen laptops counts only if the deployment has signed the stick.
    """
    settings = load(arguments.root).antitheft
    if not settings.enabled:
        raise Failed("Leases are switched off here. Set [antitheft] enabled = yes, and restart sugar-server.")
    now = int(time.time())
    trusted = _trusted(arguments.root / settings.keys.lstrip("/"))
    try:
        brought = _read(arguments, trusted, now)
        become_owner(arguments.state, NAME)
        with contextlib.closing(Store(arguments.state)) as store:
            told = _take(brought, store, trusted, arguments.state, now)
    except Failed as failed:
        syslog.syslog(syslog.LOG_USER | syslog.LOG_ERR, f"sugar-server: {arguments.folder}: {failed}")
        raise
    for line in told:
        print(line)
    syslog.syslog(syslog.LOG_USER | syslog.LOG_INFO, f"sugar-server: {arguments.folder}: {' '.join(told)}")
    return 0


def _trusted(path: Path) -> TrustedKeys:
    from sugar_server.antitheft.trusted import NoKeys, read_keys

    try:
        return read_keys(path)
    except NoKeys as error:
        raise Failed(str(error)) from None


def _read(arguments: argparse.Namespace, trusted: TrustedKeys, now: int) -> Brought:
    from sugar_server.antitheft.sticks import STOLEN, folder_of, read_stick
    from sugar_server.library.stick import Unsound

    try:
        brought = read_stick(folder_of(arguments.folder, arguments.name), trusted, now)
    except Unsound as unsound:
        raise Failed("\n".join([*unsound.faults, _NOTHING])) from None
    if brought.is_signed:
        return brought
    if (arguments.root / SECURITY_ON).exists():
        raise Failed(f"/{SECURITY_ON} wants signed sticks, and this one has no manifest.sha1.sig. {_NOTHING}")
    if STOLEN in brought.files:
        raise Failed(f"{STOLEN} counts only on a stick with a manifest.sha1.sig of the deployment. {_NOTHING}")
    return brought


def _take(brought: Brought, store: Store, trusted: TrustedKeys, state: Path, now: int) -> list[str]:
    """Read all, then take all in one step; what to tell of it."""
    from olpc_security.rules import Refusal

    from sugar_server.antitheft import imports
    from sugar_server.antitheft.grants import laptop_of
    from sugar_server.antitheft.key import own_key
    from sugar_server.antitheft.sticks import DELEGATIONS, LEASES, STOLEN

    files, name, key = brought.files, "", own_key(state)
    wrong = clock.problem(now, store.last_good())
    if wrong:
        raise Failed(f"{wrong[0].upper()}{wrong[1:]}. {_NOTHING}")
    if DELEGATIONS in files and key is None:
        raise Failed("This server has no key yet. Make it with `sugar-server lease-key`, and delegate to it.")
    leases, delegations, stolen = [], [], None
    try:
        if (name := LEASES) in files:
            leases = imports.read_leases(files[name], trusted, lambda one: laptop_of(store.standing(one)), now)
        if (name := DELEGATIONS) in files and key is not None:
            delegations = imports.read_delegation_file(files[name], key.public, trusted, now)
        if (name := STOLEN) in files:
            stolen = imports.read_stolen(files[name])
    except Refusal as refusal:
        raise Failed(f"{name}: {refusal}. {_NOTHING}") from None
    with store.transaction():
        new_leases = store.take_leases(leases)
        new_delegations = store.take_delegations(delegations, key.public.keyid.hex()) if key is not None else 0
        changes = store.set_stolen(stolen, now) if stolen is not None else ((), ())
    told = [f"{new_leases} of {len(leases)} leases are new."] if LEASES in files else []
    told += [f"{new_delegations} of {len(delegations)} delegations are new."] if DELEGATIONS in files else []
    told += [f"{serial} is stolen: it gets no lease any more." for serial in changes[0]]
    return told + [f"{serial} is stolen no longer." for serial in changes[1]]
