# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: serve, check the settings, look after the registrations."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sugar_server import __version__
from sugar_server.antitheft import commands as antitheft
from sugar_server.antitheft import stick_commands as activation_sticks
from sugar_server.backup import commands as backup
from sugar_server.builds import commands as builds
from sugar_server.command import Failed, add_root, add_state
from sugar_server.config import InvalidConfig, files, load
from sugar_server.database import UnusableDatabase, keep_in
from sugar_server.database import commands as database
from sugar_server.library import commands as library
from sugar_server.pages import commands as pages
from sugar_server.registration import commands as registration
from sugar_server.statistics import commands as statistics

HEALTH = "http://127.0.0.1:8080/health"
_EPILOG = """examples:
  sugar-server check-config                    check the settings in /etc/sugar-server
  sugar-server registrations                   list the registered laptops and those that wait for approval
  sugar-server health                          ask the running daemon how it is
  sugar-server statistics --csv                the school's usage, day by day, for a spreadsheet
  sugar-server approve SHA256:47DEQpj8HBSa…    accept a laptop that waits
  sugar-server restore-database registrations  put the latest sound copy of the registrations back
  sugar-server forget SHA256:47DEQpj8HBSa…     remove a laptop's registration
  sugar-server password                        make a new password for the teacher's pages

exit status: 0 done, 1 failed, 2 wrong usage or settings
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        if hasattr(arguments, "state"):  # it works with the rooms' tables
            keep_in(load(getattr(arguments, "root", Path("/"))).database.url)
        return int(arguments.run(arguments))
    except InvalidConfig as error:
        print(error, file=sys.stderr)
        return 2
    except (Failed, UnusableDatabase) as error:
        print(f"sugar-server: {error}", file=sys.stderr)
        return error.status if isinstance(error, Failed) else 1
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
    add_root(serve)
    add_state(serve)
    serve.set_defaults(run=_serve)

    check = commands.add_parser("check-config", help="check the settings", description=_check_config.__doc__)
    add_root(check)
    check.set_defaults(run=_check_config)

    health = commands.add_parser("health", help="ask the running daemon how it is", description=_health.__doc__)
    health.add_argument("--url", default=HEALTH, help=f"where (default: {HEALTH})")
    health.set_defaults(run=_health)

    registration.add(commands)
    statistics.add(commands)
    backup.add(commands)
    library.add(commands)
    builds.add(commands)
    antitheft.add(commands)
    activation_sticks.add(commands)
    pages.add(commands)
    database.add(commands)
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    """Serves on the sockets that systemd passes, or on --listen."""
    # Imported here: the other commands answer at once also on a slow laptop.
    from sugar_server.listening import CannotServe
    from sugar_server.serve import serve

    try:
        serve(load(arguments.root), arguments.state, arguments.listen)
    except CannotServe as error:
        raise Failed(str(error)) from error
    return 0


def _check_config(arguments: argparse.Namespace) -> int:
    """Checks the settings and tells every fault with its file, section, key and remedy."""
    if not arguments.root.is_dir():
        raise Failed(f"{arguments.root} is not a folder. Give the one that holds etc/sugar-server.")
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
        raise Failed(f"The daemon is not well: {error.read().decode(errors='replace').strip()}") from None
    except (OSError, ValueError) as error:
        raise Failed(f"{arguments.url} does not answer ({error}). See journalctl -u sugar-server.") from None
