# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a full school sends without making objects of it: presences, roster pushes and PEP items of pupils.

These are all but everything that a laptop of a large school receives, so they go from expat's events straight into
the ledger; every other stanza is built and delivered as `StreamParser` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from xml.etree.ElementTree import Element, fromstring
from xml.sax.saxutils import quoteattr

from sugaroid.schoolday.ledger import NODES, Sight
from sugaroid.xmpp import names
from sugaroid.xmpp.stream import StreamParser

_PRESENCE, _MESSAGE, _IQ = (f"{names.CLIENT}}}{name}" for name in ("presence", "message", "iq"))
_ITEMS, _ITEM = f"{names.PUBSUB_EVENT}}}items", f"{names.PUBSUB_EVENT}}}item"
_ROSTER_ITEM = f"{names.ROSTER}}}item"
_NODE_NUMBERS = {node: number for number, node in enumerate(NODES)}


class SightParser(StreamParser):
    """Tells the ledger what one laptop is shown, in the stream's order, and answers the roster pushes."""

    def __init__(self, sight: Sight, send: Callable[[str], None]) -> None:
        super().__init__()
        self._sight, self._numbers, self._send = sight, sight.roll.numbers, send
        jid = sight.roll.jids[sight.own]
        self._own_server = frozenset({None, jid, f"{jid}/sugar", jid.partition("@")[2]})
        self._replies: list[str] = []
        self._number = self._node = -1
        self._has_item = False
        self._parts: list[str] = []
        self._push = ""
        self._begin = {_PRESENCE: self._presence, _MESSAGE: self._event, _IQ: self._roster_push}

    def feed(self, data: bytes) -> list[Element]:
        """As StreamParser's; the answers to all pushes of this piece go out together."""
        done = super().feed(data)
        self._sight.heard_at = time.monotonic()
        if self._replies:
            self._send("".join(self._replies))
            self._replies.clear()
        return done

    def close(self) -> None:
        """Let go of the parser."""
        super().close()
        self._begin = {}

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._open and self.header is not None:
            begin = self._begin.get(name)
            if begin is not None and begin(attributes):
                return
        super()._start(name, attributes)

    def _handle(
        self,
        start: Callable[[str, dict[str, str]], None] | None,
        end: Callable[[str], None],
        text: Callable[[str], None] | None = None,
    ) -> None:
        parser = self._parser
        parser.StartElementHandler, parser.EndElementHandler = start, end
        parser.CharacterDataHandler = text

    # Presences

    def _presence(self, attributes: dict[str, str]) -> bool:
        number, kind = self._numbers.get(attributes.get("from", "")), attributes.get("type")
        if number is None:
            return False
        if kind is None:
            self._sight.available(number)
        elif kind == "unavailable":
            self._sight.gone(number)
        else:
            return False
        self._handle(None, self._presence_end)
        return True

    def _presence_end(self, name: str) -> None:
        if name == _PRESENCE:
            self._handle(self._start, self._end, self._text)

    # PEP items, which come from bare JIDs

    def _event(self, attributes: dict[str, str]) -> bool:
        sender, kind = attributes.get("from", ""), attributes.get("type")
        number = self._numbers.get(sender)
        if number is None or "/" in sender or kind not in (None, "normal", "headline"):
            return False
        self._number, self._node, self._has_item = number, -1, False
        self._handle(self._event_start, self._event_end)
        return True

    def _event_start(self, name: str, attributes: dict[str, str]) -> None:
        if name == _ITEM:
            self._has_item = True
            self._handle(self._payload_start, self._event_end, self._parts.append)
        elif name == _ITEMS:
            self._node = _NODE_NUMBERS.get(attributes.get("node", ""), -1)

    def _payload_start(self, _name: str, attributes: dict[str, str]) -> None:
        self._parts += _written(attributes)

    def _event_end(self, name: str) -> None:
        if name == _ITEM:
            self._handle(None, self._event_end)  # what may follow beside the event is no content
        if name != _MESSAGE:
            return
        if self._has_item and self._node >= 0:
            content = "".join(self._parts)
            if self._node == 0 and self._sight.roll.keys[self._number] not in content:
                self._sight.forged += 1
            else:
                self._sight.item(self._number, self._node, hash(content) or 1)
        self._parts.clear()
        self._handle(self._start, self._end, self._text)

    # The roster, and its pushes

    def _end(self, name: str) -> None:
        done = len(self._done)
        super()._end(name)
        if len(self._done) > done:
            self._roster(self._done[-1])

    def _roster(self, stanza: Element) -> None:
        # Before what comes behind it in the same piece; whoever has asked only learns that it is there.
        if stanza.tag == f"{{{_IQ}" and stanza.get("type") == "result" and stanza.get("from") in self._own_server:
            for item in stanza.iterfind(f"{{{names.ROSTER}}}query/{{{_ROSTER_ITEM}"):
                self._push_start(_ROSTER_ITEM, item.attrib)

    def _roster_push(self, attributes: dict[str, str]) -> bool:
        # Nobody but the own account may change the roster (RFC 6121, section 2.1.6).
        if attributes.get("type") != "set" or attributes.get("from") not in self._own_server:
            return False
        self._push = attributes.get("id", "")
        self._handle(self._push_start, self._push_end)
        return True

    def _push_start(self, name: str, attributes: dict[str, str]) -> None:
        if name == _ROSTER_ITEM:
            self._sight.roster_item(attributes.get("jid", ""), attributes.get("subscription", "none"))

    def _push_end(self, name: str) -> None:
        if name == _IQ:
            self._replies.append(f"<iq type='result' id={quoteattr(self._push)}/>")
            self._handle(self._start, self._end, self._text)


def identity(payload: str) -> int:
    """A number that stands for the content of an item, never 0; identifiers of items mean nothing to Sugar."""
    parts: list[str] = []
    for element in fromstring(payload).iter():  # noqa: S314 - our own
        parts += _written(element.attrib)
        parts.append(element.text or "")
    return hash("".join(parts)) or 1


def _written(attributes: dict[str, str]) -> list[str]:
    # Servers keep no order of attributes.
    return ["\0", *sorted(attributes.values())]
