# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP messages (RFC 2131, 2132) and the IP and UDP around them, as bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

CLIENT_PORT, SERVER_PORT = 68, 67
DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE = 1, 2, 3, 5, 6, 7
MASK, ROUTER, DNS, DOMAIN, NTP = 1, 3, 6, 15, 42
REQUESTED, LEASE, KIND, SERVER, WANTED, CLIENT_ID, SEARCH = 50, 51, 53, 54, 55, 61, 119
_COOKIE = b"\x63\x82\x53\x63"
_NOBODY = IPv4Address(0)
_BROADCAST = 0x8000
# What Sugar's NetworkManager asks for, as far as the school server has to answer it.
_WISHES = bytes((MASK, ROUTER, DNS, DOMAIN, NTP, LEASE, SERVER, SEARCH))


@dataclass(frozen=True)
class Message:
    """A server's message."""

    transaction: int
    kind: int
    address: IPv4Address
    options: Mapping[int, bytes]

    def addresses(self, option: int) -> tuple[IPv4Address, ...]:
        """An option that lists addresses."""
        data = self.options.get(option, b"")
        return tuple(IPv4Address(data[start : start + 4]) for start in range(0, len(data) - len(data) % 4, 4))

    @property
    def server(self) -> IPv4Address:
        """The server's identifier."""
        found = self.addresses(SERVER)
        return found[0] if found else _NOBODY

    @property
    def domain(self) -> str:
        """The domain name, which laptops search."""
        return self.options.get(DOMAIN, b"").rstrip(b"\0").decode("ascii", "replace")

    @property
    def lease_seconds(self) -> int:
        """How long the address may be kept; 0 if the server does not say."""
        data = self.options.get(LEASE, b"")
        return int.from_bytes(data, "big") if len(data) == 4 else 0


def message(
    kind: int,
    transaction: int,
    hardware: bytes,
    *,
    requested: IPv4Address | None = None,
    server: IPv4Address | None = None,
    own: IPv4Address = _NOBODY,
) -> bytes:
    """A client's message; answers to it are broadcast, as the address is not ours yet."""
    flags = 0 if kind == RELEASE else _BROADCAST
    head = struct.pack("!4BIHH", 1, 1, 6, 0, transaction, 0, flags)
    head += own.packed + bytes(12) + hardware.ljust(16, b"\0") + bytes(64 + 128) + _COOKIE
    options = _option(KIND, bytes([kind])) + _option(CLIENT_ID, b"\x01" + hardware)
    if requested is not None:
        options += _option(REQUESTED, requested.packed)
    if server is not None:
        options += _option(SERVER, server.packed)
    if kind != RELEASE:
        options += _option(WANTED, _WISHES)
    return (head + options + b"\xff").ljust(300, b"\0")  # BOOTP's least length (RFC 1542, 2.1)


def read_message(data: bytes) -> Message:
    """A server's message; ValueError if it is none."""
    if len(data) < 240 or data[0] != 2 or data[236:240] != _COOKIE:
        raise ValueError("no answer of a DHCP server")
    options: dict[int, bytes] = {}
    at = 240
    while at < len(data) and data[at] != 0xFF:
        if data[at] == 0:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            raise ValueError("a DHCP option is cut off")
        length = data[at + 1]
        # An option that comes twice is one long one (RFC 3396).
        options[data[at]] = options.get(data[at], b"") + data[at + 2 : at + 2 + length]
        at += 2 + length
    if len(options.get(KIND, b"")) != 1:
        raise ValueError("the answer does not say what it is")
    return Message(int.from_bytes(data[4:8], "big"), options[KIND][0], IPv4Address(data[16:20]), options)


def wrap(payload: bytes, source: IPv4Address, target: IPv4Address) -> bytes:
    """The payload in UDP from the client's to the server's port, in IP."""
    length = 8 + len(payload)
    pseudo = source.packed + target.packed + struct.pack("!BBH", 0, 17, length)
    udp = struct.pack("!4H", CLIENT_PORT, SERVER_PORT, length, 0)
    udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + payload) or 0xFFFF)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, 17, 0) + source.packed + target.packed
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + udp + payload


def unwrap(packet: bytes) -> bytes:
    """What a UDP packet to the client's port holds; ValueError for any other packet.

    Checksums are not looked at: between virtual interfaces they are often left to a card that never comes.
    """
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != 17:
        raise ValueError("no UDP")
    head = (packet[0] & 15) * 4
    if head < 20 or struct.unpack_from("!H", packet, 6)[0] & 0x3FFF:
        raise ValueError("a fragment")
    try:
        _, target, length, _ = struct.unpack_from("!4H", packet, head)
    except struct.error:
        raise ValueError("cut off") from None
    if target != CLIENT_PORT:
        raise ValueError("not for a DHCP client")
    return packet[head + 8 : head + length]


def checksum(data: bytes) -> int:
    """The Internet's checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _option(number: int, data: bytes) -> bytes:
    return bytes([number, len(data)]) + data
