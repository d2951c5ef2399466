# SPDX-License-Identifier: GPL-3.0-or-later
"""A laptop's presence session, step by step as Sugar's client (telepathy-gabble) goes through it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from xml.etree.ElementTree import Element

from sugaroid.errors import PresenceError
from sugaroid.neighborhood import Neighborhood
from sugaroid.profile import Profile
from sugaroid.rooms import Rooms
from sugaroid.xmpp import caps, names, payloads
from sugaroid.xmpp.client import Client
from sugaroid.xmpp.connection import PORT
from sugaroid.xmpp.names import bare, tag

_PRESENCE, _MESSAGE = f"{{{names.CLIENT}}}presence", f"{{{names.CLIENT}}}message"
_EVENT_ITEMS = f"{{{names.PUBSUB_EVENT}}}event/{{{names.PUBSUB_EVENT}}}items"


class Presence(Client):
    """One laptop on the air: `await connect()`, look at `neighborhood`, `await leave()`."""

    def __init__(
        self,
        profile: Profile,
        server: str,
        *,
        address: str | None = None,
        port: int = PORT,
        resource: str = "sugar",
        asks: bool = True,
    ) -> None:
        super().__init__(profile.account, profile.password, server, address or server, port, resource)
        self.profile = profile
        self.neighborhood = Neighborhood(self.jid)
        self.rooms = Rooms(self)
        self.has_pep = False
        self.conference: str | None = None
        self._asks = asks
        self._watchers: list[tuple[Callable[[Presence], bool], asyncio.Future[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # Life

    async def connect(self, *, register_first: bool = True) -> None:
        """Come on the air: account, login, roster, presence, own properties."""
        try:
            await self.log_in(register_first=register_first)
            await self._discover()
            await self.ask_for_roster()
            self.send(tag("presence", None, caps.element()))
            await self._publish_self()
        except BaseException:
            self.drop()
            raise

    async def leave(self) -> None:
        """Say goodbye and close the stream."""
        self.send(tag("presence", {"type": "unavailable"}))
        await self.close()

    async def remove_account(self) -> None:
        """Remove the account from the server, which also ends the session."""
        try:
            await self.iq("set", tag("query", {"xmlns": names.REGISTER}, tag("remove")))
        except PresenceError as error:
            # Some servers end the stream before, or instead of, the answer: as a deleted account's, which it is.
            if error.condition not in ("not-authorized", "reset", "conflict") and not await self._is_unknown():
                raise
        finally:
            await self.close(1.0)
        self.has_account = False

    async def _is_unknown(self) -> bool:
        """Whether the server refuses to let us in, asked where a connection that broke took the answer with it."""
        if self.lost is None:
            return False
        try:
            await self.log_in(register_first=False)
        except PresenceError as error:
            return error.condition == "not-authorized"
        return False

    async def until(self, condition: Callable[[Presence], bool], seconds: float) -> bool:
        """Whether the condition comes true in time; it is looked at after each stanza."""
        if condition(self):
            return True
        watch: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.append((condition, watch))
        try:
            await asyncio.wait_for(watch, seconds)
        except (asyncio.TimeoutError, PresenceError):
            return condition(self)
        finally:
            self._watchers = [(held, other) for held, other in self._watchers if other is not watch]
        return True

    async def _discover(self) -> None:
        """PEP on the domain or the own account, and rooms."""
        self.has_pep = ("pubsub", "pep") in await self.identities(self.server)
        if not self.has_pep:
            self.has_pep = ("pubsub", "pep") in await self.identities(self.jid)
        self.conference = await self.conference_service()

    async def _publish_self(self) -> None:
        if not self.has_pep:
            return  # Sugar's client reports that the server has no PEP, and its user stays colourless
        own: payloads.Properties = {"color": self.profile.color, "key": self.profile.pubkey.encode()}
        await self.publish(names.BUDDY_PROPERTIES, payloads.properties_element(own))
        await self.publish(names.NICK, tag("nick", {"xmlns": names.NICK}, text=self.profile.nick))
        await self.publish(names.ACTIVITIES, payloads.activities_element(()))
        await self.publish(names.CURRENT_ACTIVITY, payloads.current_activity_element(None))

    # Listening

    def handle(self, stanza: Element) -> None:
        if stanza.tag == _MESSAGE:
            self._message(stanza)
        elif stanza.tag == _PRESENCE:
            self._presence(stanza)
        self._look()

    def handle_roster(self, stanza: Element) -> None:
        for item in stanza.iterfind(f"{{{names.ROSTER}}}query/{{{names.ROSTER}}}item"):
            jid = item.get("jid")
            # As Sugar does at once for each new buddy; what is not published yet comes later, by PEP.
            if jid and self.neighborhood.roster_item(jid, item.get("subscription", "none")) and self._asks:
                self._start_asking(bare(jid))
        self._look()

    def handle_lost(self, error: PresenceError) -> None:
        for _, watch in self._watchers:
            if not watch.done():
                watch.set_exception(error)

    def _look(self) -> None:
        for condition, watch in self._watchers:
            if not watch.done() and condition(self):
                watch.set_result(None)

    def _start_asking(self, jid: str) -> None:
        task = asyncio.get_running_loop().create_task(self._ask_properties(jid))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_properties(self, jid: str) -> None:
        try:
            for payload in await self.items(jid, names.BUDDY_PROPERTIES):
                self.neighborhood.properties(jid, payloads.read_properties(payload), asked=True)
            self._look()
        except PresenceError:
            return  # not published yet, or gone again

    def _presence(self, stanza: Element) -> None:
        sender, kind = stanza.get("from"), stanza.get("type")
        if not sender or self.rooms.presence(sender, kind, stanza):
            return
        if kind in (None, "unavailable"):
            self.neighborhood.presence(sender, available=kind is None)

    def _message(self, stanza: Element) -> None:
        sender = stanza.get("from")
        if not sender:
            return
        items = stanza.find(_EVENT_ITEMS)
        if items is None:
            self.rooms.message(sender, stanza)
            return
        node = items.get("node")
        for item in items:
            if len(item):
                self._event(sender, node, item[0])

    def _event(self, sender: str, node: str | None, payload: Element) -> None:
        if node == names.BUDDY_PROPERTIES:
            self.neighborhood.properties(sender, payloads.read_properties(payload))
        elif node == names.NICK:
            self.neighborhood.nick(sender, payload.text or "")
        elif node == names.ACTIVITIES:
            self.neighborhood.activities(sender, payloads.read_activities(payload))
        elif node == names.CURRENT_ACTIVITY:
            self.neighborhood.current(sender, payloads.read_activity(payload))
        elif node == names.ACTIVITY_PROPERTIES:
            for properties in payload:
                self.rooms.learn(properties)
