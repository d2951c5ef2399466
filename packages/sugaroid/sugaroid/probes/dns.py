# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks one DNS server for addresses (RFC 1035), by UDP or TCP."""

from __future__ import annotations

import secrets
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address

from sugaroid.errors import CannotConnect, InvalidInput, reason

PORT = 53
TRIES = 3
SECONDS_PER_TRY = 2.0
_A, _CNAME, _IN = 1, 5, 1
_RCODES = {1: "malformed query", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused"}


class NoDnsAnswer(CannotConnect):
    """Nobody answers there."""


@dataclass(frozen=True)
class Answer:
    """What the server says about a name."""

    rcode: int
    addresses: tuple[IPv4Address, ...]

    @property
    def text(self) -> str:
        """For people."""
        if self.rcode:
            return _RCODES.get(self.rcode, f"error {self.rcode}")
        return ", ".join(map(str, self.addresses)) or "no address"


def query(name: str, identifier: int) -> bytes:
    """A recursive query for the IPv4 addresses of a name."""
    try:
        labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    except UnicodeEncodeError:
        raise InvalidInput(f"{name} is no DNS name: only ASCII is") from None
    if any(not 0 < len(label) < 64 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise InvalidInput(f"{name} is no DNS name: a label is empty or too long")
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!6H", identifier, 0x0100, 1, 0, 0, 0) + encoded + struct.pack("!2H", _A, _IN)


def read_answer(packet: bytes, identifier: int) -> Answer:
    """The answer in a packet; ValueError if it is none to this query."""
    try:
        found, flags, questions, answers, _, _ = struct.unpack_from("!6H", packet)
        if found != identifier or not flags & 0x8000:
            raise ValueError("not the answer to this query")
        if flags & 0x0200:
            raise ValueError("the answer is cut off")
        at = 12
        for _ in range(questions):
            at = _skip_name(packet, at) + 4
        addresses = []
        for _ in range(answers):
            at = _skip_name(packet, at)
            kind, _, _, length = struct.unpack_from("!2HIH", packet, at)
            at += 10
            if at + length > len(packet):
                raise ValueError("the answer is cut off")
            if kind == _A and length == 4:
                addresses.append(IPv4Address(packet[at : at + 4]))
            at += length
        return Answer(flags & 0x000F, tuple(addresses))
    except (struct.error, IndexError) as error:
        raise ValueError("the answer is cut off") from error


def ask(server: str, name: str, *, port: int = PORT, seconds: float = SECONDS_PER_TRY, tries: int = TRIES) -> Answer:
    """Ask by UDP; NoDnsAnswer after some tries."""
    for _ in range(tries):
        identifier = secrets.randbits(16)
        packet = query(name, identifier)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.connect((server, port))
                asking.send(packet)
                return _receive(asking, identifier, time.monotonic() + seconds)
        except OSError as error:
            failure = reason(error)
    raise NoDnsAnswer(f"{server} does not answer about {name}: {failure}")


def ask_by_tcp(server: str, name: str, *, port: int = PORT, seconds: float = 5.0) -> Answer:
    """Ask by TCP, as resolvers do when an answer is too long for a datagram."""
    identifier = secrets.randbits(16)
    packet = query(name, identifier)
    try:
        with socket.create_connection((server, port), seconds) as asking:
            asking.sendall(struct.pack("!H", len(packet)) + packet)
            with asking.makefile("rb") as stream:
                (length,) = struct.unpack("!H", stream.read(2))
                return read_answer(stream.read(length), identifier)
    except (OSError, struct.error, ValueError) as error:
        raise NoDnsAnswer(f"{server} does not answer by TCP: {reason(error)}") from error


def _receive(asking: socket.socket, identifier: int, deadline: float) -> Answer:
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("no answer")
        asking.settimeout(left)
        try:
            return read_answer(asking.recv(4096), identifier)
        except ValueError:
            continue  # not for us, or rubbish: the right one may still come


def _skip_name(packet: bytes, at: int) -> int:
    while True:
        length = packet[at]
        if length >= 0xC0:
            return at + 2
        at += 1 + length
        if length == 0:
            return at
