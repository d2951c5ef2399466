# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an address is one of the school's own networks; the firewall keeps others out, and so does this."""

from __future__ import annotations

import ipaddress

_NEARBY = tuple(
    ipaddress.ip_network(network)
    for network in (
        # RFC 1918, link-local (RFC 3927), loopback; unique local (RFC 4193), link-local and loopback of IPv6.
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)


def is_nearby(address: str) -> bool:
    """True for private, link-local and loopback addresses."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return any(parsed.version == network.version and parsed in network for network in _NEARBY)
