"""A laptop as telepathy-gabble brings it online: roster, presence with capabilities, answers to disco, PEP."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from .wire import BUDDY, CLIENT, EVENT, PUBSUB, ROSTER, Client, account

FEATURES = sorted(["http://jabber.org/protocol/caps", "http://jabber.org/protocol/disco#info", BUDDY + "+notify"])
CAPS = base64.b64encode(
    hashlib.sha1(("client/pc//laptop<" + "".join(f + "<" for f in FEATURES)).encode()).digest()
).decode()
DISCO = "{http://jabber.org/protocol/disco#info}"


class Laptop(Client):
    """A registered user; `online()` makes it a buddy."""

    def __init__(
        self, port: int, domain: str, number: int, resource: str = "sugar", *, raw: socket.socket | None = None
    ) -> None:
        super().__init__(port, domain, raw=raw)
        self.name, self.password = account(number)
        self.register(self.name, self.password)  # or a conflict: it is known already
        self.login(self.name, self.password, resource)

    def online(self) -> Laptop:
        """Asks for the roster, then shows itself."""
        self.roster = self.iq("get", "<query xmlns='jabber:iq:roster'/>")
        self.send(
            "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:laptop' "
            f"ver='{CAPS}'/></presence>"
        )
        self.settle()
        return self

    def settle(self) -> list[Element]:
        """Answers those who ask for its capabilities, too."""
        answered = getattr(self, "answered", set())
        self.answered: set[int] = answered
        while True:
            seen = super().settle()
            asked = [s for s in seen if s.find(DISCO + "query") is not None and s.get("type") == "get"]
            new = [s for s in asked if id(s) not in answered]
            for stanza in new:
                answered.add(id(stanza))
                self._answer_disco(stanza)
            if not new:
                return seen

    def _answer_disco(self, stanza: Element) -> None:
        query = stanza.find(DISCO + "query")
        assert query is not None
        features = "".join(f"<feature var='{f}'/>" for f in FEATURES)
        self.send(
            f"<iq type='result' to='{stanza.get('from')}' id='{stanza.get('id')}'>"
            f"<query xmlns='{DISCO[1:-1]}' node='{query.get('node')}'>"
            f"<identity category='client' type='pc' name='laptop'/>{features}</query></iq>"
        )

    def publish(self, colour: str) -> Element:
        """Publishes its buddy properties."""
        return self.iq(
            "set",
            f"<pubsub xmlns='{PUBSUB[1:-1]}'><publish node='{BUDDY}'><item>"
            f"<properties xmlns='{BUDDY}'><property name='color' type='str'>{colour}</property></properties>"
            "</item></publish></pubsub>",
        )

    def colours_of(self, other: Client) -> list[str]:
        """The colours of another laptop that were pushed here."""
        pushed = [s for s in self.settle() if s.tag == CLIENT + "message" and s.get("from") == other.bare]
        properties = [p for s in pushed for p in s.iterfind(f"{EVENT}event//{{{BUDDY}}}property")]
        return [p.text or "" for p in properties if p.get("name") == "color"]

    def story_of(self, other: Client) -> list[str]:
        """What was seen of another laptop, in its order: roster subscriptions and presence."""
        return list(self._story(other, self.settle()))

    def until_here(self, other: Client, seconds: float = 15) -> None:
        """Waits for another laptop's presence."""
        self.wait(lambda s: s.get("from") == other.jid and s.get("type") is None, seconds=seconds)

    def until_gone(self, other: Client, seconds: float = 15) -> None:
        """Waits until another laptop has left."""
        self.wait(lambda s: s.get("from") == other.jid and s.get("type") == "unavailable", seconds=seconds)

    def _story(self, other: Client, seen: list[Element]) -> Iterator[str]:
        for stanza in seen:
            if stanza.tag == CLIENT + "iq":
                for item in stanza.iterfind(f"{ROSTER}query/{ROSTER}item"):
                    if item.get("jid") == other.bare:
                        yield f"roster {item.get('subscription')}"
            if stanza.tag == CLIENT + "presence" and (stanza.get("from") or "").startswith(other.bare):
                yield stanza.get("type") or "available"
