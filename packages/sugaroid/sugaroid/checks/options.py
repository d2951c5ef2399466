# SPDX-License-Identifier: GPL-3.0-or-later
"""What to check, and where."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from sugaroid.errors import CannotConnect, InvalidInput, reason

SERVICES = (
    "registration",
    "presence",
    "http",
    "dns",
    "dhcp",
    "ntp",
    "gateway",
    "updates",
    "statistics",
    "backup",
    "pages",
    "antitheft",
)


@dataclass(frozen=True)
class Ports:
    """Where the services listen; others than these only in tests."""

    registration: int = 8080
    http: int = 80
    presence: int = 5223
    presence_plain: int = 5222
    dns: int = 53
    ntp: int = 123
    backup: int = 2222
    activation: int = 191


@dataclass(frozen=True)
class Options:
    """The wishes of `sugaroid check`."""

    server: str
    address: str | None = None
    expect: tuple[str, ...] = ("registration", "presence", "http")
    expect_no: tuple[str, ...] = ()
    registration: str = "accepted"
    interface: str | None = None
    count: int = 2
    domain: str | None = None
    outside: str | None = None
    fellows: tuple[str, ...] = ()
    """Domains of the other schools of its federation."""
    authority: bytes = b""
    """The certificate (DER) of whom the server's has to be, if of anybody."""
    seed: str | None = None
    ports: Ports = Ports()

    def validate(self) -> None:
        """InvalidInput if they cannot be followed, before anything is sent."""
        for name in (*self.expect, *self.expect_no):
            if name not in SERVICES:
                raise InvalidInput(f"there is no service {name!r}; known are {', '.join(SERVICES)}")
        both = sorted(set(self.expect) & set(self.expect_no))
        if both:
            raise InvalidInput(f"{', '.join(both)} cannot be expected and not expected at once")
        if not self.expect and not self.expect_no:
            raise InvalidInput("nothing to check; name services with --expect or --expect-no")
        if self.registration not in ("accepted", "refused"):
            raise InvalidInput("--registration is accepted or refused")
        if not 2 <= self.count <= 100:
            raise InvalidInput("--count is a number of laptops from 2 to 100")
        if self.outside is not None:
            self.outside_address()
        for program, package in (("ssh", "openssh-client"), ("rsync", "rsync")):
            if "backup" in self.expect and shutil.which(program) is None:
                raise InvalidInput(f"backup is checked with {program}, which is not here; install {package}")
        if "dhcp" in (*self.expect, *self.expect_no):
            self._validate_dhcp()

    def outside_address(self) -> tuple[str, int]:
        """HOST and PORT of --outside."""
        host, colon, port = (self.outside or "").rpartition(":")
        if not colon:
            host, port = port, "80"
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise InvalidInput(f"--outside {self.outside} is not understood; write HOST:PORT")
        return host, int(port)

    def _validate_dhcp(self) -> None:
        if self.interface is None:
            raise InvalidInput("dhcp is checked on one interface; name it with --interface")
        if self.interface not in {name for _, name in socket.if_nameindex()}:
            raise InvalidInput(f"there is no interface {self.interface}; `ip link` lists them")
        try:
            socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).close()
        except PermissionError:
            raise InvalidInput("the dhcp check needs raw packets; run it as root") from None


def resolve(server: str) -> str:
    """The server's IPv4 address, as this machine's own resolver knows it."""
    try:
        return str(IPv4Address(server))
    except AddressValueError:
        pass
    try:
        found = socket.getaddrinfo(server, None, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = reason(error)
        raise CannotConnect(f"{server} has no address here: {why}") from error
    return str(found[0][4][0])
