# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a time server for the time (SNTP, RFC 4330)."""

from __future__ import annotations

import secrets
import socket
import struct
import time
from dataclasses import dataclass

from sugaroid.errors import CannotConnect, reason

PORT = 123
TRIES = 3
SECONDS_PER_TRY = 2.0
# Seconds from NTP's epoch (1900) to Unix's.
_EPOCH = 2_208_988_800
_ERA = 1 << 32


@dataclass(frozen=True)
class Time:
    """The server's answer: offset = server's clock minus ours, in seconds."""

    leap: int
    stratum: int
    transmitted: float
    offset: float
    delay: float

    @property
    def synchronised(self) -> bool:
        """Whether the server trusts its own clock: a client takes no time from one that does not."""
        return self.leap != 3 and 1 <= self.stratum <= 15


def request(cookie: bytes) -> bytes:
    """A client's packet; the cookie stands where the time would, and comes back in the answer."""
    return bytes([0o43]) + bytes(39) + cookie  # leap 0, version 4, mode 3


def read_answer(packet: bytes, cookie: bytes, sent_at: float, received_at: float) -> Time:
    """The time in a packet; ValueError if it is no answer to this request."""
    if len(packet) < 48 or packet[0] & 7 != 4 or packet[24:32] != cookie:
        raise ValueError("not the answer to this request")
    arrived, left = (_unix(packet[start : start + 8]) for start in (32, 40))
    return Time(
        packet[0] >> 6,
        packet[1],
        left,
        ((arrived - sent_at) + (left - received_at)) / 2,
        (received_at - sent_at) - (left - arrived),
    )


def ask(server: str, *, port: int = PORT, seconds: float = SECONDS_PER_TRY, tries: int = TRIES) -> Time:
    """The server's time; CannotConnect after some tries."""
    for _ in range(tries):
        cookie = secrets.token_bytes(8)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.connect((server, port))
                sent_at, deadline = time.time(), time.monotonic() + seconds
                asking.send(request(cookie))
                return _receive(asking, cookie, sent_at, deadline)
        except OSError as error:
            failure = reason(error)
    raise CannotConnect(f"{server} does not tell the time: {failure}")


def _receive(asking: socket.socket, cookie: bytes, sent_at: float, deadline: float) -> Time:
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("no answer")
        asking.settimeout(left)
        packet = asking.recv(1024)
        try:
            return read_answer(packet, cookie, sent_at, time.time())
        except ValueError:
            continue


def _unix(stamp: bytes) -> float:
    seconds, fraction = struct.unpack("!II", stamp)
    # Era 0 ended in 2036: small numbers are of the next one (RFC 4330, section 3).
    era = 0 if seconds & 0x80000000 else _ERA
    return float(seconds + era - _EPOCH + fraction / _ERA)
