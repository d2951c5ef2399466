# SPDX-License-Identifier: GPL-3.0-or-later
"""Sees which version of TLS a port agrees on with a client that offers all."""

from __future__ import annotations

import socket

from sugaroid.errors import CannotConnect, reason
from sugaroid.xmpp.tls import laptop_tls

SECONDS = 8.0


def version(address: str, port: int, name: str) -> str:
    """The version, as in `TLSv1.2`."""
    try:
        plain = socket.create_connection((address, port), SECONDS)
        with plain, laptop_tls(newest=True).wrap_socket(plain, server_hostname=name) as secured:
            return secured.version() or "none"
    except (OSError, ValueError) as error:
        why = reason(error)
        raise CannotConnect(f"no TLS on {address}:{port}: {why}") from error
