"""A child's laptop that speaks through slixmpp, another reading of XMPP than ours, and acts as telepathy-gabble.

It keeps all that it receives in its order, so that tests can tell what came before what.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Self
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.stanzabase import StanzaBase

from .server import Server
from .wire import BUDDY, CLIENT, EVENT, ROSTER, account, tls

SECONDS = 10
NICK = "http://jabber.org/protocol/nick"
ACTIVITIES = "http://laptop.org/xmpp/activities"
CURRENT = "http://laptop.org/xmpp/current-activity"
PROPERTIES = "http://laptop.org/xmpp/activity-properties"
NODES = (BUDDY, ACTIVITIES, CURRENT, PROPERTIES, NICK)
HERE, GONE = ["roster both", "available"], ["unavailable", "roster remove"]  # how a buddy appears and vanishes
PLUGINS = (
    ("xep_0030", {}),  # service discovery
    ("xep_0045", {}),  # rooms
    ("xep_0047", {"auto_accept": True}),  # bytes in messages, for files
    ("xep_0054", {}),  # vCards
    ("xep_0060", {}),  # publish and subscribe
    ("xep_0077", {}),  # registration
    ("xep_0115", {}),  # capabilities
    ("xep_0163", {}),  # personal eventing
    ("xep_0199", {}),  # ping
)

_numbers = itertools.count(10_000_000)


class Child(slixmpp.ClientXMPP):
    """Registers, or finds that it is registered, and logs in; `come_online()` makes it a buddy."""

    def __init__(
        self,
        server: Server,
        *,
        number: int | None = None,
        resource: str = "sugar",
        notify: tuple[str, ...] = NODES,
        mechanism: str = "PLAIN",
        context: ssl.SSLContext | None = None,
        direct: bool = True,
    ) -> None:
        number = number or next(_numbers)
        name, password = account(number)
        jid = f"{name}@{server.domain}/{resource}"
        super().__init__(jid, password, sasl_mech=mechanism, ssl_context=context or tls())
        self.number, self.name = number, name
        self.address = ("127.0.0.1", server.tls_port if direct else server.plain_port)
        self.enable_direct_tls, self.enable_starttls = direct, not direct
        self.auto_authorize, self.auto_subscribe = None, False  # as the tests say, not by itself
        for plugin, settings in PLUGINS:
            self.register_plugin(plugin, settings)
        self.notify = notify
        self.form: Element | None = None
        self.refusal: StanzaBase | None = None
        self.seen: list[Element] = []
        self.add_event_handler("register", self._register)
        self.add_filter("in", self._keep)

    def _keep(self, stanza: StanzaBase) -> StanzaBase:
        self.seen.append(stanza.xml)
        return stanza

    async def _register(self, form: StanzaBase) -> None:
        """Once the server has sent its form."""
        self.form = form.xml
        request = self.make_iq_set()
        request["register"]["username"], request["register"]["password"] = self.name, self.password
        try:
            await request.send()
        except IqError as error:
            self.refusal = error.iq["error"]

    async def log_in(self) -> Self:
        self.connect(*self.address)
        await self.wait_until("session_start", SECONDS)
        return self

    async def come_online(self) -> Self:
        """Asks for the roster, then shows itself with its capabilities."""
        await self.advertise(*self.notify)
        await self.get_roster()
        self.send_presence()
        await self.heard_from(self.boundjid.full)
        return self

    async def advertise(self, *nodes: str) -> None:
        """Which nodes of PEP, and no others, its next presence asks for."""
        disco = self.plugin["xep_0030"]
        for node in NODES:  # slixmpp's own plugin for rooms has asked for nicks
            change = disco.add_feature if node in nodes else disco.del_feature
            await change(feature=f"{node}+notify")
        await self.plugin["xep_0115"].update_caps(broadcast=False)

    async def publish(self, node: str, payload: str) -> None:
        await self.plugin["xep_0060"].publish(None, node, payload=ElementTree.fromstring(payload))

    async def ask(self, iq: StanzaBase) -> Element:
        """The answer to a request, a result or an error."""
        try:
            return (await iq.send(timeout=SECONDS)).xml
        except IqError as error:
            return error.iq.xml

    # What it has seen

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Waits for a condition on what it has seen."""
        deadline = asyncio.get_running_loop().time() + SECONDS
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                received = "\n".join(ElementTree.tostring(each, "unicode") for each in self.seen)
                raise AssertionError(f"{what} did not come, but:\n{received}")
            await asyncio.sleep(0.01)

    async def find(self, what: str, match: Callable[[Element], Any]) -> Element:
        """The first stanza that matches."""
        await self.until(lambda: any(map(match, self.seen)), what)
        return next(filter(match, self.seen))

    async def heard_from(self, jid: str) -> Element:
        """The first presence of a full JID."""
        return await self.find(f"presence of {jid}", lambda s: s.tag == CLIENT + "presence" and s.get("from") == jid)

    async def settle(self) -> None:
        """Until the server has answered everything sent so far."""
        await self.plugin["xep_0199"].ping(self.boundjid.host, timeout=SECONDS)

    async def sees(self, other: Child, story: list[str]) -> None:
        """Waits for a story, and for nothing more to come."""
        await self.until(lambda: len(self.story_of(other)) >= len(story), f"{story} of {other.name}")
        await self.settle()
        assert self.story_of(other) == story, self.story_of(other)

    def story_of(self, other: Child) -> list[str]:
        """What was seen of another child: lines of rosters and presence, in their order."""
        return [event for stanza in self.seen for event in _events(stanza, other.boundjid.bare)]

    def items_of(self, other: Child, node: str) -> list[str]:
        """The payloads of another child's node that were pushed here."""
        events = [s for s in self.seen if s.tag == CLIENT + "message" and s.get("from") == other.boundjid.bare]
        found = [i for s in events for i in s.iterfind(f"{EVENT}event/{EVENT}items[@node='{node}']/{EVENT}item")]
        return [canonical(ElementTree.tostring(item[0], "unicode")) for item in found]

    async def contacts(self) -> dict[str | None, str | None]:
        """Its roster as the server gives it now, which is no part of any story: JIDs and subscriptions."""
        answer = await self.ask(self.make_iq_get(queryxmlns=ROSTER[1:-1]))
        self.seen.remove(answer)
        return {item.get("jid"): item.get("subscription") for item in answer.iter(ROSTER + "item")}


def _events(stanza: Element, jid: str) -> Iterator[str]:
    for item in stanza.iterfind(f"{ROSTER}query/{ROSTER}item"):
        if item.get("jid") == jid:
            yield f"roster {item.get('subscription')}"
    if stanza.tag == CLIENT + "presence" and (stanza.get("from") or "").partition("/")[0] == jid:
        yield stanza.get("type") or "available"


def canonical(xml: str) -> str:
    """The same text for the same XML, however it is written."""
    return ElementTree.canonicalize(xml, rewrite_prefixes=True)
