# SPDX-License-Identifier: GPL-3.0-or-later
"""Sees which version of TLS a port agrees on with a client that offers all, and who answers for the server."""

from __future__ import annotations

import socket
import ssl

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


def certified(address: str, port: int, name: str, authority: bytes) -> str:
    """Until when the server's certificate is valid, which has to be for NAME, and of the AUTHORITY (DER)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority)
    # The one with RSA, for old laptops, is nobody's but the server's own.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+ECDSA")
    try:
        plain = socket.create_connection((address, port), SECONDS)
        with plain, context.wrap_socket(plain, server_hostname=name) as secured:
            return str((secured.getpeercert() or {}).get("notAfter", ""))
    except ssl.SSLCertVerificationError as error:
        raise CannotConnect(f"{address}:{port} does not prove that it is {name}: {error.verify_message}") from error
    except (OSError, ValueError) as error:
        raise CannotConnect(f"{address}:{port} does not prove that it is {name}: {reason(error)}") from error
