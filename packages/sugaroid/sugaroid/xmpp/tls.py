# SPDX-License-Identifier: GPL-3.0-or-later
"""Sugar's TLS on an asyncio connection, made for many: asyncio's own keeps 256 KiB for each connection."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any, cast

_PIECE = 65536


@functools.lru_cache(maxsize=2)
def laptop_tls(*, newest: bool = False) -> ssl.SSLContext:
    """Sugar's TLS: at most 1.2 and no verification; `newest` offers 1.3 too, to see what a server makes of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if not newest:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class TlsConnection(asyncio.Protocol):
    """TLS from the first byte: text in by `write`, data out to `on_data`, the end to `on_end`."""

    def __init__(self, name: str) -> None:
        self.on_data: Callable[[bytes], None] = lambda _data: None
        self.on_end: Callable[[str], None] = lambda _why: None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = laptop_tls().wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._transport: asyncio.Transport | None = None
        self.received_bytes = 0
        """What came over the wire, TLS and all."""

    @classmethod
    async def open(cls, address: str, port: int, name: str) -> TlsConnection:
        """Connect and shake hands; OSError (ssl.SSLError is one) or ValueError if that fails."""
        _, connection = await asyncio.get_running_loop().create_connection(lambda: cls(name), address, port)
        try:
            await connection.ready
        except BaseException:
            connection.drop()
            raise
        return connection

    def write(self, data: bytes) -> None:
        """Send data; what is sent to a connection that has ended is lost."""
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(ssl.SSLError):
                self._tls.write(data)
            self._flush()

    def close(self) -> None:
        """Take leave, as TLS wants it, and close."""
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()
            self._transport.close()

    def drop(self) -> None:
        """End the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """End the connection by a TCP reset, as a laptop does that was switched off and on again."""
        if self._transport is not None and not self._transport.is_closing():
            held = self._transport.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def fall_silent(self) -> None:
        """Read no more, and let the other side believe that we are still there."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    # asyncio calls these

    def connection_made(self, transport: Any) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)
        self._incoming.write(data)
        if not self.ready.done():
            self._shake_hands()
        try:
            while self.ready.done() and (plain := self._tls.read(_PIECE)):
                self.on_data(plain)
            if self.ready.done():
                self.close()  # an empty read: the server took its leave
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self.close()
        except ssl.SSLError as error:
            self.on_end(f"TLS: {error.reason or error}")
            self.drop()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionResetError("the server closed the connection"))
            self.ready.exception()  # seen, even if nobody waits any more
        self.on_end(str(error) if error else "")
        self.on_data, self.on_end = (lambda _data: None), (lambda _why: None)
        if not self.gone.done():
            self.gone.set_result(None)

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.ready.set_exception(error)
            self.ready.exception()
            self.drop()
        else:
            if not self.ready.cancelled():
                self.ready.set_result(None)
        self._flush()

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing.pending and not self._transport.is_closing():
            self._transport.write(self._outgoing.read())
