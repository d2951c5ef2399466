# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that take, list and look after the backups."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sugar_server.command import Failed, add_state
from sugar_server.config import load


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    serve = commands.add_parser(
        "serve-backups", help="take the laptops' backups (systemd does it)", description=_serve.__doc__
    )
    serve.add_argument(
        "--listen", action="append", default=[], metavar="HOST:PORT", help="serve here; may be given several times"
    )
    _add_root(serve)
    add_state(serve)
    serve.set_defaults(run=_serve)


def _add_root(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="read DIR/etc/sugar-server instead of /etc/…"
    )


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
    return 0
