# SPDX-License-Identifier: GPL-3.0-or-later
"""What every process of the server begins with: its listening sockets and its log."""

from __future__ import annotations

import logging
import os
import socket
import sys

from sugar_server.notify import passed_sockets

BACKLOG = 4096


class CannotServe(Exception):
    """The process cannot start; the message says why and what to do."""


def listen(addresses: list[str], unit: str) -> list[socket.socket]:
    """Sockets at the addresses, or where there are none those of UNIT that systemd passed."""
    sockets = [_listen(address) for address in addresses] or passed_sockets()
    if not sockets:
        raise CannotServe(f"No socket to serve. Start {unit} with systemctl, or give --listen HOST:PORT.")
    return sockets


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # asyncio sends small answers at once only where it is told that this is TCP.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), int(port)))
        listening.listen(BACKLOG)
    except (OSError, ValueError, OverflowError) as error:
        raise CannotServe(f"Cannot listen on {address} ({error}). Give a free HOST:PORT of this machine.") from error
    return listening


class _Priorities(logging.Formatter):
    """Puts the priority before each line, where the journal reads it (sd-daemon(3))."""

    def format(self, record: logging.LogRecord) -> str:
        priority = 3 if record.levelno >= logging.ERROR else 4 if record.levelno >= logging.WARNING else 6
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def log_to_journal() -> None:
    """Logs to standard error, as the journal wants it where that is the journal."""
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_Priorities("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
