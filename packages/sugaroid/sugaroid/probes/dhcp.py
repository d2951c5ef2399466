# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes an address from the LAN's DHCP server for a laptop that does not exist, and gives it back.

It speaks in raw packets: no port is bound, no address set, and the machine's own DHCP client is not disturbed.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from sugaroid.errors import CannotConnect, InvalidInput, reason
from sugaroid.probes import dhcp_packet
from sugaroid.probes.dhcp_packet import ACK, DISCOVER, NAK, OFFER, RELEASE, REQUEST, Message

# dnsmasq pings an address for up to 3 s before it offers it.
OFFER_SECONDS = 12.0
RETRY_SECONDS = 4.0
ACK_SECONDS = 6.0
# How long to listen when nobody should answer.
SILENCE_SECONDS = 5.0
_NOBODY, _EVERYBODY = IPv4Address(0), IPv4Address(0xFFFFFFFF)
_EVERY_CARD = b"\xff" * 6
_IP = 0x0800


@dataclass(frozen=True)
class Lease:
    """What the laptop got."""

    hardware: str
    address: IPv4Address
    answer: Message


@dataclass
class _Wire:
    """An interface, spoken to in raw packets."""

    interface: str
    socket: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        try:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IP))
        except PermissionError:
            raise InvalidInput("the DHCP check needs raw packets; run it as root") from None
        try:
            self.socket.bind((self.interface, _IP))
        except OSError as error:
            self.socket.close()
            raise InvalidInput(f"interface {self.interface}: {reason(error)}; name one that is up") from error

    def send(
        self,
        payload: bytes,
        source: IPv4Address = _NOBODY,
        target: IPv4Address = _EVERYBODY,
        card: bytes = _EVERY_CARD,
    ) -> None:
        packet = dhcp_packet.wrap(payload, source, target)
        try:
            self.socket.sendto(packet, (self.interface, _IP, 0, 0, card))
        except OSError as error:
            raise CannotConnect(f"nothing can be sent on {self.interface}: {reason(error)}") from error

    def answers(self, transaction: int, seconds: float) -> Iterator[tuple[Message, bytes]]:
        """The servers' messages of this transaction until the time is over, each with its sender's card."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                packet, sender = self.socket.recvfrom(4096)
                found = dhcp_packet.read_message(dhcp_packet.unwrap(packet))
            except ValueError:
                continue
            except OSError:
                return
            if found.transaction == transaction:
                yield found, sender[4]


def lease(interface: str) -> Lease:
    """DISCOVER, OFFER, REQUEST, ACK, RELEASE for a card that does not exist; CannotConnect says what failed."""
    wire = _Wire(interface)
    with wire.socket:
        hardware, transaction = _made_up_card(), secrets.randbits(32)
        offer = _first_offer(wire, transaction, hardware)
        if offer is None:
            raise CannotConnect(f"nobody offers an address on {interface} within {OFFER_SECONDS:.0f} s")
        request = dhcp_packet.message(REQUEST, transaction, hardware, requested=offer.address, server=offer.server)
        wire.send(request)
        for answer, card in wire.answers(transaction, ACK_SECONDS):
            if answer.kind == NAK:
                raise CannotConnect(f"{offer.server} offered {offer.address} and then refused it")
            if answer.kind == ACK:
                release = dhcp_packet.message(
                    RELEASE, secrets.randbits(32), hardware, server=offer.server, own=answer.address
                )
                wire.send(release, answer.address, offer.server, card)
                return Lease(hardware.hex(":"), answer.address, answer)
        raise CannotConnect(f"{offer.server} offered {offer.address} and did not confirm it in {ACK_SECONDS:.0f} s")


def offers(interface: str, seconds: float = SILENCE_SECONDS) -> list[Message]:
    """All offers on an interface; for a network where there should be none."""
    wire = _Wire(interface)
    with wire.socket:
        transaction = secrets.randbits(32)
        wire.send(dhcp_packet.message(DISCOVER, transaction, _made_up_card()))
        return [found for found, _ in wire.answers(transaction, seconds) if found.kind == OFFER]


def _first_offer(wire: _Wire, transaction: int, hardware: bytes) -> Message | None:
    deadline = time.monotonic() + OFFER_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        wire.send(dhcp_packet.message(DISCOVER, transaction, hardware))
        for found, _ in wire.answers(transaction, min(RETRY_SECONDS, left)):
            if found.kind == OFFER:
                return found
    return None


def _made_up_card() -> bytes:
    """A locally administered, unicast hardware address."""
    first = secrets.randbits(8) & 0xFC | 0x02
    return bytes([first]) + secrets.token_bytes(5)
