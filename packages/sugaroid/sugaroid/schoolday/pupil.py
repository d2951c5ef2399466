# SPDX-License-Identifier: GPL-3.0-or-later
"""One laptop among very many: what Sugar's client does, with its view of the others kept in the ledger."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from xml.etree.ElementTree import Element

from sugaroid.errors import PresenceError, SugaroidError
from sugaroid.profile import Profile
from sugaroid.rooms import Room, Rooms
from sugaroid.schoolday.ledger import NODES, Roll, Sight
from sugaroid.schoolday.parser import SightParser, identity
from sugaroid.xmpp import caps, names, payloads
from sugaroid.xmpp.client import Client
from sugaroid.xmpp.connection import Connection
from sugaroid.xmpp.names import bare, tag
from sugaroid.xmpp.stream import StreamParser

_PRESENCE, _MESSAGE = f"{{{names.CLIENT}}}presence", f"{{{names.CLIENT}}}message"
_RETRY_SECONDS = 1.0
_TRIES = 5


class Pupil(Client):
    """A laptop with a number on the roll."""

    # A laptop waits long for a server at work, rather than make it begin anew.
    patience = 90.0

    def __init__(self, profile: Profile, number: int, roll: Roll, server: str, address: str, port: int) -> None:
        super().__init__(profile.account, profile.password, server, address, port, "sugar")
        self.profile, self.number, self.roll = profile, number, roll
        self.sight = Sight(roll, number)
        self.conference: str | None = None
        self.rooms = Rooms(self)
        self.heard: Callable[[str, str], None] = lambda _room, _text: None
        """Called with the room and the text of each message in a shared activity."""
        self._earlier_bytes = 0
        self._enrolled = False
        self.refused = 0
        """Publications and logins that the server refused or left unanswered."""
        self.refusal = ""
        """Why, the last time."""
        self._silent: list[Connection] = []

    @property
    def received_bytes(self) -> int:
        """What the server has sent so far, over all connections, as it went over the wire."""
        return self._earlier_bytes + (self._connection.received_bytes if self._connection else 0)

    # Life

    async def enrol(self) -> None:
        """Make the account, and go again."""
        self._enrolled = True
        await self.log_in(register_first=True)
        await self.close()

    async def come(self) -> float:
        """Come on the air, however often it takes, as the account manager tries; the seconds of the last login."""
        while True:
            start = time.monotonic()
            try:
                await self._come()
                return time.monotonic() - start
            except SugaroidError as error:
                self._note(error)
                self.drop()
                self.roll.left(self.number)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _come(self) -> None:
        self._keep_count()
        self.sight.reset()
        await self.log_in(register_first=False)
        for connection in self._silent:
            connection.drop()
        self._silent.clear()
        if self.conference is None:
            self.conference = await self.conference_service()
        await self.ask_for_roster()
        self.roll.came(self.number)
        self.send(tag("presence", None, caps.element()))

    async def introduce(self) -> None:
        """Publish what Sugar publishes after each login: key and colour, nick, and that no activity is open."""
        own: payloads.Properties = {"color": self.profile.color, "key": self.profile.pubkey.encode()}
        await self.show(0, payloads.properties_element(own))
        await self.show(1, tag("nick", {"xmlns": names.NICK}, text=self.profile.nick))
        await self.show(2, payloads.current_activity_element(None))

    async def leave(self) -> None:
        """Move to ad-hoc: say goodbye and close the stream."""
        self.roll.left(self.number)
        self.rooms.here.clear()
        self.send(tag("presence", {"type": "unavailable"}))
        await self.close()

    async def remove_account(self) -> None:
        """Log in for nothing else than to have the account removed; what the server says to that is its own."""
        if not self._enrolled:
            return
        with contextlib.suppress(SugaroidError):
            await self.log_in(register_first=False)
            await self.iq("set", tag("query", {"xmlns": names.REGISTER}, tag("remove")))
        self.drop()

    def reset(self) -> None:
        """Fall off the air by a TCP reset."""
        self.roll.left(self.number)
        self.rooms.here.clear()
        if self._connection is not None:
            self._connection.reset()

    def fall_silent(self) -> None:
        """Fall off the air so that the server cannot know: nothing is read or sent any more."""
        if self._connection is not None:
            self._connection.fall_silent()
            self._silent.append(self._connection)
            self._keep_count()

    # PEP

    async def show(self, node: int, payload: str) -> None:
        """Publish the item of a node, without an identifier, as Sugar's client does.

        Sugar does not try again when the server refuses; here it does, for the sake of servers that do so at first.
        """
        self.roll.publishes(self.number, node)
        request = tag("publish", {"node": NODES[node]}, tag("item", None, payload))
        for attempt in range(_TRIES):
            try:
                await self.iq("set", tag("pubsub", {"xmlns": names.PUBSUB}, request))
                break
            except PresenceError as error:
                self._note(error)
                if attempt == _TRIES - 1 or self.lost is not None:
                    return
                # Not all at the same moment, or they hinder each other again.
                await asyncio.sleep(_RETRY_SECONDS * (attempt + self.number * 0.618 % 1))
        self.roll.published(self.number, node, identity(payload))

    async def publish(self, node: str, payload: str) -> None:
        """What the rooms publish."""
        await self.show(NODES.index(node), payload)

    async def look_at(self, room: Room | None) -> None:
        """Say which activity is looked at."""
        await self.show(2, payloads.current_activity_element(room.activity if room else None))

    # Listening

    def make_parser(self) -> StreamParser:
        return SightParser(self.sight, self.send)

    def handle(self, stanza: Element) -> None:
        sender, kind = stanza.get("from", ""), stanza.get("type")
        if stanza.tag == _PRESENCE:
            known = self.rooms.presence(sender, kind, stanza) or sender.partition("@")[2] == self.conference
            if not known and kind is None and bare(sender).partition("@")[2] == self.server:
                self.sight.strangers.add(bare(sender))
        elif stanza.tag == _MESSAGE:
            self.rooms.message(sender, stanza)
            room = self.rooms.here.get(bare(sender))
            if room is not None and room.messages:
                self.heard(room.activity.room, room.messages.pop()[1])

    def _note(self, refusal: SugaroidError) -> None:
        self.refused += 1
        self.refusal = str(refusal)

    def _keep_count(self) -> None:
        if self._connection is not None:
            self._earlier_bytes += self._connection.received_bytes
            self._connection = None
