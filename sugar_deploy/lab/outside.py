"""Looks at servers from the uplink; started there by the lab, prints JSON. Standard library only.

outside.py ports ADDRESS PORT…      which TCP ports accept a connection
outside.py dhcp INTERFACE           which addresses answer a DHCPDISCOVER
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

_SECONDS = 2.0
WAIT_SECONDS = 6.0
"""Longer than a laptop tries."""


def open_ports(address: str, ports: list[int]) -> list[int]:
    """Those of PORTS that accept a connection."""

    def accepts(port: int) -> bool:
        try:
            with socket.create_connection((address, port), timeout=_SECONDS):
                return True
        except OSError:
            return False

    with ThreadPoolExecutor(len(ports) or 1) as pool:
        return [port for port, accepted in zip(ports, pool.map(accepts, ports), strict=True) if accepted]


def discover_message(hardware: bytes, transaction: bytes) -> bytes:
    """A DHCPDISCOVER (RFC 2131) that asks for a broadcast answer."""
    header = struct.pack("!BBBB4sHH", 1, 1, 6, 0, transaction, 0, 0x8000)
    return header + bytes(16) + hardware.ljust(16, b"\0") + bytes(192) + b"\x63\x82\x53\x63\x35\x01\x01\xff"


def dhcp_servers(interface: str) -> list[str]:
    """Who offers an address on INTERFACE."""
    transaction = os.urandom(4)
    answered = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        asking.bind(("", 68))
        message = discover_message(b"\x02\0\0\0\0\x01", transaction)
        for _try in range(2):
            asking.sendto(message, ("255.255.255.255", 67))
            until = time.monotonic() + _SECONDS
            while (left := until - time.monotonic()) > 0:
                asking.settimeout(left)
                try:
                    data, (address, _port) = asking.recvfrom(2048)
                except TimeoutError:
                    break
                if data[4:8] == transaction:
                    answered.add(address)
    return sorted(answered)


def wait_for_a_caller(address: str, port: int, seconds: float) -> list[str]:
    """Who connects to this address meanwhile."""
    with socket.create_server((address, port)) as server:
        server.settimeout(seconds)
        print("listening", flush=True)  # noqa: T201 - the lab waits for this line
        try:
            connection, (caller, _port) = server.accept()
        except TimeoutError:
            return []
        connection.close()
        return [caller]


def main(words: list[str]) -> None:
    """Look, and print what is seen."""
    if words[0] == "ports":
        json.dump(open_ports(words[1], [int(word) for word in words[2:]]), sys.stdout)
    elif words[0] == "wait":
        json.dump(wait_for_a_caller(words[1], int(words[2]), WAIT_SECONDS), sys.stdout)
    else:
        json.dump(dhcp_servers(words[1]), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
