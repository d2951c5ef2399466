# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared activities: a room for each, made, joined, invited to and left as Sugar does."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from sugaroid.errors import PresenceError
from sugaroid.xmpp import names, payloads
from sugaroid.xmpp.names import bare, tag
from sugaroid.xmpp.payloads import ActivityReference, Properties, Value
from sugaroid.xmpp.register import error_condition

if TYPE_CHECKING:
    from sugaroid.presence import Presence
    from sugaroid.schoolday.pupil import Pupil

JOIN_SECONDS = 20.0
# A room that a crowd chats in shall not fill the memory.
MESSAGES_KEPT = 1000
# Non-anonymous, or buddies cannot be matched; open, hidden and gone with the last one.
_WANTED = {
    "muc#roomconfig_whois": "anyone",
    "muc#owner_whois": "anyone",
    "muc#roomconfig_membersonly": "0",
    "muc#owner_membersonly": "0",
    "muc#roomconfig_persistentroom": "0",
    "muc#owner_persistentroom": "0",
    "muc#roomconfig_publicroom": "0",
    "muc#owner_publicroom": "0",
}


@dataclass(frozen=True)
class Invitation:
    """Somebody's invitation into a shared activity."""

    room: str
    inviter: str


@dataclass
class Room:
    """A shared activity that this laptop is in, or is entering."""

    activity: ActivityReference
    occupants: dict[str, str | None] = field(default_factory=dict)
    """Names in the room, each with the bare JID where the room tells it."""
    messages: list[tuple[str, str]] = field(default_factory=list)
    joined: bool = False
    created: bool = False


class Rooms:
    """The rooms of one laptop."""

    def __init__(self, session: Presence | Pupil) -> None:
        self._session = session
        self._name = secrets.token_hex(4)
        self._entering: dict[str, asyncio.Future[None]] = {}
        self.here: dict[str, Room] = {}
        self.invitations: list[Invitation] = []
        self.properties: dict[str, dict[str, Value]] = {}
        """Properties of activities, by activity id."""

    async def share(self, properties: Properties, *, activity_id: str | None = None) -> Room:
        """Make a room for an activity, and tell everybody unless its property `private` is true."""
        if self._session.conference is None:
            raise PresenceError("the server has no conference service, so nothing can be shared")
        identifier = activity_id or secrets.token_hex(20)
        activity = ActivityReference(identifier, f"{identifier}@{self._session.conference}")
        room = await self.join(activity)
        await self._configure(room)
        self.properties[identifier] = dict(properties)
        await self._announce()
        return room

    async def join(self, activity: ActivityReference) -> Room:
        """Enter an activity's room."""
        room = self.here[activity.room] = Room(activity)
        seconds = max(JOIN_SECONDS, self._session.patience)
        entered = self._entering[activity.room] = asyncio.get_running_loop().create_future()
        history = tag("x", {"xmlns": names.MUC})
        self._session.send(tag("presence", {"to": f"{activity.room}/{self._name}"}, history))
        try:
            await asyncio.wait_for(entered, seconds)
        except asyncio.TimeoutError:
            self.here.pop(activity.room, None)
            raise PresenceError(f"the room {activity.room} did not let us in within {seconds:.0f} s") from None
        finally:
            self._entering.pop(activity.room, None)
        return room

    def say(self, room: Room, text: str) -> None:
        """Say something in the room."""
        self._session.send(tag("message", {"to": room.activity.room, "type": "groupchat"}, tag("body", text=text)))

    def invite(self, room: Room, jid: str) -> None:
        """Invite a buddy: first the activity's properties, then the room's own invitation."""
        properties = self.properties.get(room.activity.id, {})
        element = payloads.activity_properties_element(room.activity, properties)
        self._session.send(tag("message", {"to": bare(jid)}, element))
        invitation = tag("x", {"xmlns": names.MUC_USER}, tag("invite", {"to": bare(jid)}))
        self._session.send(tag("message", {"to": room.activity.room}, invitation))

    async def change(self, room: Room, properties: Properties) -> None:
        """Change the activity's properties, for those in the room and, if it is public, for everybody."""
        self.properties[room.activity.id] = dict(properties)
        element = payloads.activity_properties_element(room.activity, properties)
        self._session.send(tag("message", {"to": room.activity.room, "type": "groupchat"}, element))
        await self._announce()

    async def look_at(self, room: Room | None) -> None:
        """Say which activity the user looks at."""
        element = payloads.current_activity_element(room.activity if room else None)
        await self._session.publish(names.CURRENT_ACTIVITY, element)

    async def leave(self, room: Room) -> None:
        """Leave the room, and tell everybody."""
        self._session.send(tag("presence", {"to": f"{room.activity.room}/{self._name}", "type": "unavailable"}))
        self.here.pop(room.activity.room, None)
        await self._announce()

    # What the session hears

    def presence(self, sender: str, kind: str | None, stanza: Element) -> bool:
        """Take a presence that comes from a room; False if it does not."""
        room = self.here.get(bare(sender))
        if room is None:
            return False
        name = sender.partition("/")[2]
        entering = self._entering.get(bare(sender))
        if kind == "error":
            if entering is not None and not entering.done():
                entering.set_exception(PresenceError(f"the room does not let us in: {error_condition(stanza)}"))
        elif kind == "unavailable":
            room.occupants.pop(name, None)
        elif kind is None:
            user = f"{{{names.MUC_USER}}}x/{{{names.MUC_USER}}}"
            item = stanza.find(f"{user}item")
            jid = item.get("jid") if item is not None else None
            room.occupants[name] = bare(jid) if jid else None
            codes = {status.get("code") for status in stanza.iterfind(f"{user}status")}
            if "110" in codes or name == self._name:
                room.joined, room.created = True, room.created or "201" in codes
                if entering is not None and not entering.done():
                    entering.set_result(None)
        return True

    def message(self, sender: str, stanza: Element) -> None:
        """Take a message: chat in a room, an invitation, or an activity's properties."""
        room = self.here.get(bare(sender))
        body = stanza.findtext(f"{{{names.CLIENT}}}body")
        if room is not None and body is not None and len(room.messages) < MESSAGES_KEPT:
            room.messages.append((sender.partition("/")[2], body))
        properties = stanza.find(f"{{{names.ACTIVITY_PROPERTIES}}}properties")
        if properties is not None:
            self.learn(properties)
        invite = stanza.find(f"{{{names.MUC_USER}}}x/{{{names.MUC_USER}}}invite")
        if invite is not None and len(self.invitations) < MESSAGES_KEPT:
            self.invitations.append(Invitation(bare(sender), bare(invite.get("from", ""))))

    def learn(self, element: Element) -> None:
        """Take an activity's properties."""
        identifier = element.get("activity")
        if identifier and (identifier in self.properties or len(self.properties) < MESSAGES_KEPT):
            self.properties[identifier] = payloads.read_properties(element)

    # Steps

    async def _configure(self, room: Room) -> None:
        """The owner's form, as far as the server lets us; being no owner is no fault."""
        query = {"xmlns": names.MUC_OWNER}
        try:
            answer = await self._session.iq("get", tag("query", query), to=room.activity.room)
        except PresenceError as error:
            if error.condition in ("forbidden", "not-allowed"):
                return
            raise
        form = {"xmlns": names.DATA_FORM, "type": "submit"}
        fields = [tag("field", {"var": "FORM_TYPE"}, tag("value", text=f"{names.MUC}#roomconfig"))]
        for offered in answer.iter(f"{{{names.DATA_FORM}}}field"):
            name = offered.get("var", "")
            if name in _WANTED:
                fields.append(tag("field", {"var": name}, tag("value", text=_WANTED[name])))
        await self._session.iq("set", tag("query", query, tag("x", form, *fields)), to=room.activity.room)

    async def _announce(self) -> None:
        public = [
            room.activity
            for room in self.here.values()
            if not self.properties.get(room.activity.id, {}).get("private")
        ]
        described = [
            payloads.activity_properties_element(activity, self.properties[activity.id])
            for activity in public
            if activity.id in self.properties
        ]
        await self._session.publish(names.ACTIVITIES, payloads.activities_element(public))
        listing = tag("activities", {"xmlns": names.ACTIVITY_PROPERTIES}, *described)
        await self._session.publish(names.ACTIVITY_PROPERTIES, listing)
