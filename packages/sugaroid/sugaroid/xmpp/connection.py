# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection as Sugar's client makes it: TLS from the first byte, no certificate check, never TLS 1.3."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from xml.etree.ElementTree import Element

from sugaroid.errors import CannotConnect, PresenceError, reason
from sugaroid.xmpp.names import CLIENT, STREAMS, tag
from sugaroid.xmpp.stream import StreamParser
from sugaroid.xmpp.tls import TlsConnection

PORT = 5223
CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 20.0


class Connection:
    """Text on one side, stanzas on the other."""

    def __init__(self, tls: TlsConnection, patience: float = ANSWER_SECONDS) -> None:
        self._patience = patience
        self.lost: PresenceError | None = None
        self._receiver: Callable[[Element], None] = lambda _stanza: None
        self._on_lost: Callable[[PresenceError], None] = lambda _error: None
        self._parser = StreamParser()
        self._inbox: asyncio.Queue[Element | None] | None = asyncio.Queue()
        self._tls = tls
        tls.on_data, tls.on_end = self._data_received, self._ended

    @classmethod
    async def open(cls, address: str, port: int, domain: str, patience: float = ANSWER_SECONDS) -> Connection:
        """Connect; CannotConnect says why not. `patience`: how many seconds the server may take for an answer."""
        seconds = max(CONNECT_SECONDS, patience - ANSWER_SECONDS)
        try:
            return cls(await asyncio.wait_for(TlsConnection.open(address, port, domain), seconds), patience)
        except asyncio.TimeoutError:
            raise CannotConnect(f"no TLS on {address}:{port} within {seconds:.0f} s") from None
        except (OSError, ValueError) as error:
            raise CannotConnect(f"no TLS on {address}:{port}: {reason(error)}") from error

    @property
    def received_bytes(self) -> int:
        """What the server has sent on this connection, as it went over the wire."""
        return self._tls.received_bytes

    async def start_stream(self, domain: str, parser: StreamParser | None = None) -> Element:
        """Open a stream, anew after a login, to be read by a parser of its own; its features."""
        self._parser.close()
        self._parser = parser or StreamParser()
        attributes = {"to": domain, "xmlns": CLIENT, "xmlns:stream": STREAMS, "version": "1.0"}
        self.send("<?xml version='1.0'?>" + tag("stream:stream", attributes)[:-2] + ">")
        features = await self.read()
        if features.tag != f"{{{STREAMS}}}features":
            raise PresenceError(f"the server sent <{features.tag}> where stream features belong")
        return features

    async def read(self) -> Element:
        """The next stanza, while the stream is being set up."""
        if self._inbox is None:
            raise RuntimeError("stanzas go to the receiver by now")
        if self.lost is not None and self._inbox.empty():
            raise self.lost
        try:
            stanza = await asyncio.wait_for(self._inbox.get(), self._patience)
        except asyncio.TimeoutError:
            raise PresenceError(f"the server kept silent for {self._patience:.0f} s") from None
        if stanza is None:
            raise self.lost or PresenceError("the server closed the connection")
        return stanza

    async def ask(self, text: str) -> Element:
        """Send something and read what comes next, while the stream is being set up."""
        self.send(text)
        return await self.read()

    def deliver_to(self, receiver: Callable[[Element], None], on_lost: Callable[[PresenceError], None]) -> None:
        """From now on stanzas go to the receiver, as they come."""
        inbox, self._inbox = self._inbox, None
        self._receiver, self._on_lost = receiver, on_lost
        while inbox is not None and not inbox.empty():
            stanza = inbox.get_nowait()
            if stanza is not None:
                receiver(stanza)

    def send(self, text: str) -> None:
        """Send text; what is sent to a lost connection is lost."""
        if self.lost is None:
            self._tls.write(text.encode())

    async def close(self, seconds: float = 3.0) -> None:
        """End the stream, and the connection when the server has done so too or the time is over."""
        self.send("</stream:stream>")
        self._receiver = lambda _stanza: None
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._tls.gone), seconds)
        self.drop()

    def drop(self) -> None:
        """Let the connection go without a word."""
        self._tls.drop()

    def reset(self) -> None:
        """Let the connection go by a TCP reset."""
        self._tls.reset()

    def fall_silent(self) -> None:
        """Keep the connection, but read no more of it and tell nobody how it ends."""
        self._tls.fall_silent()
        self.deliver_to(lambda _stanza: None, lambda _error: None)

    def _data_received(self, data: bytes) -> None:
        parser = self._parser
        try:
            stanzas = parser.feed(data)
        except PresenceError as error:
            self._lose(error)
            self.drop()
            return
        for stanza in stanzas:
            if stanza.tag == f"{{{STREAMS}}}error":
                condition = stanza[0].tag.rpartition("}")[2] if len(stanza) else "error"
                self._lose(PresenceError(f"the server ended the stream: {condition}", condition))
            elif self._inbox is not None:
                self._inbox.put_nowait(stanza)
            else:
                self._receiver(stanza)
        if parser.closed:
            self._tls.close()

    def _ended(self, why: str) -> None:
        self._lose(PresenceError(f"the connection was lost{': ' if why else ''}{why}"))
        self._parser.close()

    def _lose(self, error: PresenceError) -> None:
        if self.lost is not None:
            return
        self.lost = error
        if self._inbox is not None:
            self._inbox.put_nowait(None)
        self._on_lost(error)
