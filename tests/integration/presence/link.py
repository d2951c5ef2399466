"""A line between two servers that can fall silent, or be cut: what comes in at one address goes on to another."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Link:
    """Carries TCP connections from (source, port) to (target, port) while it is `clear`."""

    def __init__(self, source: str, target: str, port: int) -> None:
        self.target = (target, port)
        self.clear = threading.Event()
        self.clear.set()
        self.ends: list[socket.socket] = []
        self.listener = socket.create_server((source, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear.set()
        # close() alone does not wake the thread that waits in accept().
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self) -> None:
        """Ends what is open; new connections are carried."""
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.ends.clear()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self.ends += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                self.clear.wait()
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
