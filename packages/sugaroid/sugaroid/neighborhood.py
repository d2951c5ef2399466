# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom Sugar's Neighborhood draws, as real clients were seen to do it.

A roster item that was not there before makes a buddy, presence alone none; it is drawn once its key is known. It
vanishes on `unavailable` received while the item is still in the roster; taking the item away alone removes nobody.
A buddy that vanished is drawn again only if its item was removed and comes anew.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator

from sugaroid.xmpp.names import bare
from sugaroid.xmpp.payloads import ActivityReference, Properties

_SEEN = frozenset({"both", "to"})
_RESOURCES: dict[tuple[str, ...], tuple[str, ...]] = {}


class Buddy:
    """Another laptop, as much as is known of it."""

    __slots__ = ("activities", "asked", "color", "current", "jid", "key", "nick")

    def __init__(self, jid: str) -> None:
        self.jid = jid
        self.key: bytes | None = None
        self.color: str | None = None
        self.nick: str | None = None
        self.activities: tuple[ActivityReference, ...] = ()
        self.current: ActivityReference | None = None
        self.asked = False
        """Whether the key came as the answer to a question; otherwise PEP pushed it."""

    @property
    def genuine(self) -> bool:
        """Whether the key is the one that the JID is made of."""
        return self.key is not None and hashlib.sha1(self.key).hexdigest() == self.jid.split("@", 1)[0]  # noqa: S324


class Neighborhood:
    """The roster, who is there, and the buddies that follow from it. Pure: no network, no clock."""

    def __init__(self, own_jid: str) -> None:
        self.own_jid = bare(own_jid)
        self.roster: dict[str, str] = {}
        self._available: dict[str, tuple[str, ...]] = {}
        self._buddies: dict[str, Buddy] = {}
        self._known: dict[str, Buddy] = {}
        self.appeared = 0
        self.vanished = 0

    @property
    def buddies(self) -> dict[str, Buddy]:
        """The buddies that are drawn, by bare JID."""
        return {jid: buddy for jid, buddy in self._buddies.items() if buddy.key is not None}

    def __iter__(self) -> Iterator[Buddy]:
        return (buddy for buddy in self._buddies.values() if buddy.key is not None)

    def __len__(self) -> int:
        return self.appeared - self.vanished

    def shows(self, jid: str) -> bool:
        """Whether this buddy is drawn."""
        buddy = self._buddies.get(bare(jid))
        return buddy is not None and buddy.key is not None

    def known(self, jid: str) -> Buddy | None:
        """What PEP told of a user, drawn or not."""
        return self._known.get(bare(jid))

    def is_available(self, jid: str) -> bool:
        """Whether any session of the user is available."""
        return bare(jid) in self._available

    def roster_item(self, jid: str, subscription: str) -> bool:
        """An item of the roster or of a push; True if it makes a buddy whose key is not known yet."""
        jid = sys.intern(bare(jid))
        before = self.roster.get(jid)
        if subscription == "remove":
            self.roster.pop(jid, None)
            return False
        self.roster[jid] = sys.intern(subscription)
        if subscription not in _SEEN or before in _SEEN or jid == self.own_jid or jid in self._buddies:
            return False
        buddy = self._buddies[jid] = self._remember(jid)
        if buddy.key is None:
            return True
        self.appeared += 1
        return False

    def presence(self, full_jid: str, *, available: bool) -> None:
        """A presence of one session of a user."""
        jid, _, resource = full_jid.partition("/")
        jid = sys.intern(jid)
        there = self._available.get(jid, ())
        if available:
            if resource not in there:
                self._available[jid] = _shared((*there, resource))
            return
        left = tuple(other for other in there if other != resource) if resource else ()
        if left:
            self._available[jid] = _shared(left)
            return
        self._available.pop(jid, None)
        if self.roster.get(jid) in _SEEN and jid in self._buddies:
            gone = self._buddies.pop(jid)
            if gone.key is not None:
                self.vanished += 1
            # A laptop that comes back publishes anew, and a client's cache ends with the presence.
            self._known.pop(jid, None)

    def properties(self, jid: str, properties: Properties, *, asked: bool = False) -> None:
        """The buddy-properties of a user, pushed by PEP or asked for."""
        jid = bare(jid)
        if jid == self.own_jid:
            return
        buddy = self._remember(jid)
        key, color, nick = properties.get("key"), properties.get("color"), properties.get("nick")
        if isinstance(color, str):
            buddy.color = color
        if isinstance(nick, str):
            buddy.nick = sys.intern(nick)
        if isinstance(key, bytes) and key:
            if buddy.key is None:
                buddy.asked = asked
                if self._buddies.get(jid) is buddy:
                    self.appeared += 1
            buddy.key = key

    def nick(self, jid: str, nick: str) -> None:
        """The nick that a user publishes by itself."""
        if bare(jid) != self.own_jid:
            self._remember(bare(jid)).nick = sys.intern(nick)

    def activities(self, jid: str, activities: tuple[ActivityReference, ...]) -> None:
        """The public activities that a user is in."""
        if bare(jid) != self.own_jid:
            self._remember(bare(jid)).activities = activities

    def current(self, jid: str, activity: ActivityReference | None) -> None:
        """The activity that a user looks at."""
        if bare(jid) != self.own_jid:
            self._remember(bare(jid)).current = activity

    def _remember(self, jid: str) -> Buddy:
        buddy = self._known.get(jid)
        if buddy is None:
            jid = sys.intern(jid)
            buddy = self._known[jid] = Buddy(jid)
        return buddy


def _shared(resources: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all who have the same resources, which is nearly everybody."""
    return _RESOURCES.setdefault(resources, resources) if len(_RESOURCES) < 1000 else resources
