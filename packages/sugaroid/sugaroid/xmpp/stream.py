# SPDX-License-Identifier: GPL-3.0-or-later
"""Splits an XMPP stream into stanzas; refuses what XMPP forbids before it costs anything."""

from __future__ import annotations

from xml.etree.ElementTree import Element
from xml.parsers import expat

from sugaroid.errors import PresenceError

# The largest stanza that school servers are known to allow is 512 KiB; twice that is nobody's.
MAXIMUM_STANZA_BYTES = 1 << 20
MAXIMUM_DEPTH = 64
_NAMES: dict[str, str] = {}


class StreamParser:
    """Feed it bytes, get whole stanzas; `header` holds the attributes of the stream once it is open."""

    def __init__(self) -> None:
        self.header: dict[str, str] | None = None
        self.closed = False
        self._done: list[Element] = []
        self._open: list[Element] = []
        self._pending_bytes = 0
        self._held = bytearray()
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._forbidden
        parser.ProcessingInstructionHandler = self._forbidden
        parser.CommentHandler = self._forbidden
        self._parser = parser

    def feed(self, data: bytes) -> list[Element]:
        """The stanzas that these bytes complete; PresenceError if this is no decent XMPP stream."""
        try:
            self._parser.Parse(self._whole_tags(data), False)
        except expat.ExpatError as error:
            raise PresenceError(f"the server sent no well-formed XML: {error}") from error
        done, self._done = self._done, []
        between = self.header is not None and not self._open
        self._pending_bytes = 0 if done or between else self._pending_bytes + len(data)
        if self._pending_bytes > MAXIMUM_STANZA_BYTES:
            raise PresenceError(f"the server sent a stanza of more than {MAXIMUM_STANZA_BYTES} bytes")
        return done

    def _whole_tags(self, data: bytes) -> bytes:
        """What has come, but for a tag that has only begun: that waits for its end.

        An expat that defers parsing (2.6.0, and Debian's with the correction of CVE-2023-52425) puts a tag that came
        in two pieces off until as much again has arrived: a server's answer would wait for the next one.
        """
        self._held += data
        begun = self._held.rfind(b"<")
        end = begun if begun > self._held.rfind(b">") else len(self._held)
        whole = bytes(self._held[:end])
        del self._held[:end]
        return whole

    def close(self) -> None:
        """Let go of the parser: its handlers and this object hold each other."""
        self._parser.StartElementHandler = None
        self._parser.EndElementHandler = None
        self._parser.CharacterDataHandler = None
        self._parser.StartDoctypeDeclHandler = None
        self._parser.ProcessingInstructionHandler = None
        self._parser.CommentHandler = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        full = _NAMES.get(name)
        if full is None:
            full = _full_name(name)
        if self.header is None:
            if full != "{http://etherx.jabber.org/streams}stream":
                raise PresenceError(f"the server opened no XMPP stream but <{full}>")
            self.header = attributes
            return
        if len(self._open) >= MAXIMUM_DEPTH:
            raise PresenceError("the server sent a stanza that is nested too deeply")
        element = Element(full, attributes)
        if self._open:
            self._open[-1].append(element)
        self._open.append(element)

    def _end(self, _name: str) -> None:
        if not self._open:
            self.closed = True
            return
        element = self._open.pop()
        if not self._open:
            self._done.append(element)

    def _text(self, text: str) -> None:
        if not self._open:
            return  # whitespace between stanzas keeps connections alive
        element = self._open[-1]
        if len(element):
            element[-1].tail = (element[-1].tail or "") + text
        else:
            element.text = (element.text or "") + text

    def _forbidden(self, *_arguments: object) -> None:
        raise PresenceError("the server sent a comment, document type or processing instruction, which XMPP forbids")


def _full_name(name: str) -> str:
    full = "{" + name if "}" in name else name
    if len(_NAMES) < 1000:  # a stream of made-up names shall not fill the memory
        _NAMES[name] = full
    return full
