# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this machine sends what is for the Internet, or for a server."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from pathlib import Path

ROUTES = Path("/proc/net/route")
_UP = 0x1
_USABLE = 0x3  # up, and through a gateway


def default_gateways(table: str | None = None) -> tuple[IPv4Address, ...]:
    """The gateways of the default routes, the best first."""
    lines = (ROUTES.read_text("ascii") if table is None else table).splitlines()[1:]
    found = []
    for fields in (line.split() for line in lines):
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and int(fields[3], 16) & _USABLE == _USABLE:
            found.append((int(fields[6]), IPv4Address(struct.pack("=I", int(fields[2], 16)))))
    return tuple(gateway for _, gateway in sorted(found))


def interface_towards(address: IPv4Address, table: str | None = None) -> str | None:
    """The interface by which this machine reaches an address; None where it has no route."""
    lines = (ROUTES.read_text("ascii") if table is None else table).splitlines()[1:]
    best: tuple[int, int, str] | None = None
    for fields in (line.split() for line in lines):
        if len(fields) < 8 or not int(fields[3], 16) & _UP:
            continue
        # The kernel prints addresses as numbers of the machine's own byte order.
        network, mask = (int.from_bytes(struct.pack("=I", int(fields[place], 16)), "big") for place in (1, 7))
        if int(address) & mask == network:
            # The narrowest network, then the smallest metric.
            candidate = (-mask, int(fields[6]), fields[0])
            best = min(best, candidate) if best else candidate
    return best[2] if best else None
