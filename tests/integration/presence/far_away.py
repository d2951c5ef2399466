"""A place at the other end of a cable, in a network namespace of its own, from which a laptop can be cut off."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE, THERE = "198.18.77.1", "198.18.77.2"
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Place:
    """A namespace, with a cable to this one."""

    name: str

    def connect(self, port: int) -> socket.socket:
        """A connection from there to a port here; a socket stays in the namespace that it was made in."""
        with ThreadPoolExecutor(1) as thread:  # which alone goes there
            return thread.submit(self._connect, port).result()

    def _connect(self, port: int) -> socket.socket:
        with Path(f"/run/netns/{self.name}").open() as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot enter the namespace")
        return socket.create_connection((HERE, port), timeout=5)

    def cut(self) -> None:
        """From now on nothing comes through, in neither direction."""
        _ip("-n", self.name, "link", "set", "eth0", "down")


@contextlib.contextmanager
def place() -> Iterator[Place]:
    name = f"far{os.getpid()}"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", f"{HERE}/30", "dev", name)
        _ip("link", "set", name, "up")
        _ip("-n", name, "address", "add", f"{THERE}/30", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        yield Place(name)
    finally:
        _ip("netns", "delete", name)
        _ip("link", "delete", name)  # which a socket there that is still open would keep


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
