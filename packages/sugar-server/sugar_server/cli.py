# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: serve, check the settings, look after the registrations."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sugar_server import __version__
from sugar_server.config import InvalidConfig, files, load
from sugar_server.store import NAME, Store, UnusableDatabase

STATE = Path("/var/lib/sugar-server")
HEALTH = "http://127.0.0.1:8080/health"
_EPILOG = """examples:
  sugar-server check-config                    check the settings in /etc/sugar-server
  sugar-server registrations                   list the registered laptops and those that wait for approval
  sugar-server health                          ask the running daemon how it is
  sugar-server approve SHA256:47DEQpj8HBSa…    accept a laptop that waits
  sugar-server forget SHA256:47DEQpj8HBSa…     remove a laptop's registration

exit status: 0 done, 1 failed, 2 wrong usage or settings
"""


class _Failed(Exception):
    """The command failed; the message says why and what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except InvalidConfig as error:
        print(error, file=sys.stderr)
        return 2
    except (_Failed, UnusableDatabase) as error:
        print(f"sugar-server: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sugar-server",
        description="The school server's daemon: registers Sugar laptops.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sugar-server {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run the daemon (systemd does it)", description=_serve.__doc__)
    serve.add_argument(
        "--listen", action="append", default=[], metavar="HOST:PORT", help="serve here; may be given several times"
    )
    _add_root(serve)
    _add_state(serve)
    serve.set_defaults(run=_serve)

    check = commands.add_parser("check-config", help="check the settings", description=_check_config.__doc__)
    _add_root(check)
    check.set_defaults(run=_check_config)

    health = commands.add_parser("health", help="ask the running daemon how it is", description=_health.__doc__)
    health.add_argument("--url", default=HEALTH, help=f"where (default: {HEALTH})")
    health.set_defaults(run=_health)

    listing = commands.add_parser("registrations", help="list the laptops", description=_registrations.__doc__)
    listing.add_argument("--json", action="store_true", help="as JSON, for scripts")
    _add_state(listing)
    listing.set_defaults(run=_registrations)

    for name, run, text in (
        ("approve", _approve, "accept a laptop that waits for approval"),
        ("forget", _forget, "remove a laptop's registration"),
    ):
        command = commands.add_parser(name, help=text, description=run.__doc__)
        command.add_argument("fingerprint", metavar="FINGERPRINT", help="as `sugar-server registrations` lists it")
        _add_state(command)
        command.set_defaults(run=run)
    return parser


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="read DIR/etc/sugar-server instead of /etc/…"
    )


def _add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, default=STATE, metavar="DIR", help=f"the database's folder (default: {STATE})"
    )


def _serve(arguments: argparse.Namespace) -> int:
    """Serves on the sockets that systemd passes, or on --listen."""
    # Imported here: the other commands answer at once also on a slow laptop.
    from sugar_server.serve import CannotServe, serve

    try:
        serve(load(arguments.root), arguments.state, arguments.listen)
    except CannotServe as error:
        raise _Failed(str(error)) from error
    return 0


def _check_config(arguments: argparse.Namespace) -> int:
    """Checks the settings and tells every fault with its file, section, key and remedy."""
    if not arguments.root.is_dir():
        raise _Failed(f"{arguments.root} is not a folder. Give the one that holds etc/sugar-server.")
    load(arguments.root)
    for path in files(arguments.root):
        print(path)
    print("The settings are valid.")
    return 0


def _health(arguments: argparse.Namespace) -> int:
    """Asks the running daemon how it is and prints its answer; fails if it is not well or does not answer."""
    import urllib.error
    import urllib.request

    try:
        # Straight there, whatever proxy the environment names.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(arguments.url, timeout=10) as answer:
            print(answer.read().decode().strip())
        return 0
    except urllib.error.HTTPError as error:
        raise _Failed(f"The daemon is not well: {error.read().decode(errors='replace').strip()}") from None
    except (OSError, ValueError) as error:
        raise _Failed(f"{arguments.url} does not answer ({error}). See journalctl -u sugar-server.") from None


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
    with _store(arguments.state) as store:
        if not store.approve(arguments.fingerprint):
            raise _Failed(_unknown("No laptop with this fingerprint waits for approval"))
    print("Approved. Now the laptop has to register once more.")
    return 0


def _forget(arguments: argparse.Namespace) -> int:
    """Removes a laptop's registration, accepted or waiting."""
    with _store(arguments.state) as store:
        if not store.forget(arguments.fingerprint):
            raise _Failed(_unknown("No laptop is registered with this fingerprint"))
    print("Forgotten.")
    return 0


def _unknown(message: str) -> str:
    return f"{message}. `sugar-server registrations` lists them all."


@contextlib.contextmanager
def _store(folder: Path) -> Iterator[Store]:
    """The database, opened as its owner: files that root left there would lock the daemon out."""
    try:
        owner = folder.stat()
        if not (folder / NAME).exists():
            raise _Failed(f"There is no database in {folder} yet. Start the daemon: systemctl start sugar-server")
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.setgroups([])
            os.setgid(owner.st_gid)
            os.setuid(owner.st_uid)
        os.umask(0o027)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError
        store = Store(folder)
    except PermissionError:
        raise _Failed(f"{folder} may not be read. Run this command as root: sudo sugar-server …") from None
    except FileNotFoundError:
        raise _Failed(f"There is no folder {folder}. Is sugar-server installed here?") from None
    with contextlib.closing(store):
        yield store
