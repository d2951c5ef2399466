# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd passes to a service and hears from it (sd_listen_fds(3), sd_notify(3))."""

from __future__ import annotations

import logging
import os
import socket

_log = logging.getLogger(__name__)
_FIRST = 3


def passed_sockets() -> list[socket.socket]:
    """The listening sockets that systemd passed to this very process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    return [socket.socket(fileno=number) for number in range(_FIRST, _FIRST + count)]


def notify(state: str) -> None:
    """Tells systemd the state, as READY=1; does nothing where nobody listens, and goes on where nobody hears it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address)
            channel.sendall(state.encode())
    except OSError as error:
        # If it matters, systemd notices the silence; a service that ends over it would help nobody.
        _log.warning("systemd cannot be told %s at %s: %s", state, os.environ["NOTIFY_SOCKET"], error)


def watchdog_seconds() -> float | None:
    """How often systemd wants a sign of life; None where it wants none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1e6
