# SPDX-License-Identifier: GPL-3.0-or-later
"""Activation on TCP port 191, as the initramfs does it (dracut-modules-olpc, activate.py)."""

from __future__ import annotations

import socket

from sugaroid.errors import CannotConnect, reason

STOLEN = b"STOLEN"
_CONNECT_SECONDS = 3.0
_MOST_BYTES = 64 << 20


def activate(address: str, port: int, serial: str, seconds: float = 60.0) -> bytes:
    """What the server answers to a serial number: lease text, STOLEN, or nothing. A laptop would wait for ever."""
    try:
        with socket.create_connection((address, port), _CONNECT_SECONDS) as connection:
            connection.settimeout(seconds)
            connection.sendall(serial.encode("ascii"))
            connection.shutdown(socket.SHUT_WR)
            found = bytearray()
            while len(found) < _MOST_BYTES and (piece := connection.recv(65536)):
                found += piece
            return bytes(found)
    except OSError as error:
        raise CannotConnect(f"no activation from {address}:{port}: {reason(error)}") from error
