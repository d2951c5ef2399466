# SPDX-License-Identifier: GPL-3.0-or-later
"""Who should see whom, and who does: the reckoning of a school's day. Pure: no network, no clock.

Laptops are numbers here, and what one knows of all others lies in flat arrays: a thousand of them fill few MiB.
Whom Sugar draws follows the same rules as `sugaroid.neighborhood`.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from sugaroid.xmpp import names

NODES = (names.BUDDY_PROPERTIES, names.NICK, names.CURRENT_ACTIVITY, names.ACTIVITIES, names.ACTIVITY_PROPERTIES)
"""The PEP nodes that are followed; the first holds the key, without which Sugar draws nobody."""
_SEEN = frozenset({"both", "to"})


class Roll:
    """All laptops of the day: who is there now, and the item that each has published last."""

    def __init__(self, jids: Sequence[str], keys: Sequence[str], resource: str = "sugar") -> None:
        self.jids = tuple(jids)
        self.keys = tuple(keys)
        """Each key as the text that stands in its item."""
        self.numbers = {jid: number for number, jid in enumerate(jids)}
        self.numbers.update({f"{jid}/{resource}": number for number, jid in enumerate(jids)})
        self.there = bytearray(len(jids))
        self.keyless: set[int] = set()
        """Those who are there and have begun to publish their key, which the server has not taken yet."""
        self.items = [_empty(len(jids)) for _ in NODES]

    def came(self, number: int) -> None:
        """A laptop sends its first presence; nothing of it is published yet."""
        self.left(number)
        self.there[number] = 1

    def left(self, number: int) -> None:
        """A laptop goes, or falls off the air."""
        self.there[number] = 0
        self.keyless.discard(number)
        for items in self.items:
            items[number] = 0

    def publishes(self, number: int, node: int) -> None:
        """A laptop sends an item; from its key on the others should draw it."""
        if node == 0 and self.there[number]:
            self.keyless.add(number)

    def published(self, number: int, node: int, item: int) -> None:
        """The server has taken an item; `item` stands for its content."""
        if self.there[number]:
            self.items[node][number] = item
            if node == 0:
                self.keyless.discard(number)


@dataclass(frozen=True)
class Faults:
    """What is wrong in the eyes of all who are there, in pairs of laptops."""

    unseen: int = 0
    """Others who are there, without a presence of theirs."""
    undrawn: int = 0
    """Others who are there, whom Sugar does not draw: no new roster item, no presence, or no key."""
    ghosts: int = 0
    """Others who are gone, who still look available or are drawn."""
    stale: int = 0
    """Items (not pairs) of others who are there that are not the last published ones."""

    @property
    def any(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.unseen or self.undrawn or self.ghosts or self.stale)

    def __add__(self, other: Faults) -> Faults:
        return Faults(
            self.unseen + other.unseen,
            self.undrawn + other.undrawn,
            self.ghosts + other.ghosts,
            self.stale + other.stale,
        )


class Sight:
    """What one laptop has been sent about the others since it came."""

    __slots__ = ("forged", "heard_at", "items", "listed", "own", "roll", "strangers", "there", "twice", "wished")

    def __init__(self, roll: Roll, own: int) -> None:
        self.roll, self.own = roll, own
        self.strangers: set[str] = set()
        self.forged = 0
        """Keys that are not those of the laptop they are said to be of."""
        self.twice = 0
        """Presences, roster items and PEP items that said again what had been said."""
        self.heard_at = 0.0
        """When the server last sent something, by the clock of whoever sets it."""
        self.reset()

    def reset(self) -> None:
        """Forget everybody, as a laptop that connects anew; the counts stay."""
        size = len(self.roll.jids)
        self.there, self.listed, self.wished = bytearray(size), bytearray(size), bytearray(size)
        self.items = [_empty(size) for _ in NODES]

    # What the server sends

    def available(self, number: int) -> None:
        """A presence of somebody who is there."""
        if self.there[number]:
            self.twice += number != self.own
        self.there[number] = 1

    def gone(self, number: int) -> None:
        """An unavailable presence: it takes a buddy away while its item is in the roster.

        Of somebody who was not there it changes nothing: in doubt, for a server that tells a newcomer who is away.
        """
        was_there, self.there[number] = self.there[number], 0
        if was_there and self.listed[number]:
            self.wished[number] = 0
            for items in self.items:
                items[number] = 0

    def roster_item(self, jid: str, subscription: str) -> None:
        """An item of the roster or of a push: a new one makes a buddy."""
        number = self.roll.numbers.get(jid)
        if number is None:
            if subscription in _SEEN:
                self.strangers.add(jid)
        elif subscription not in _SEEN:
            self.listed[number] = 0
        elif self.listed[number]:
            self.twice += 1
        else:
            self.listed[number] = self.wished[number] = 1

    def item(self, number: int, node: int, item: int) -> None:
        """A PEP item; `item` stands for its content."""
        items = self.items[node]
        if items[number] == item:
            self.twice += number != self.own
        items[number] = item

    # The reckoning

    def exact(self) -> bool:
        """Whether nothing is wrong: quick where all is well."""
        roll = self.roll
        self._own_as_due()
        alike = self.there == roll.there == self.wished and self.items == roll.items
        return (alike and not roll.keyless and not self.strangers) or not self.faults().any

    def faults(self) -> Faults:
        """What is wrong, in numbers."""
        roll = self.roll
        self._own_as_due()
        unseen = undrawn = ghosts = 0
        for number, due in enumerate(roll.there):
            if number == self.own:
                continue
            here, wished, key = self.there[number], self.wished[number], self.items[0][number]
            if due:
                key_due = roll.items[0][number] or number in roll.keyless
                unseen += not here
                undrawn += not (here and wished and (key or not key_due))
            else:
                ghosts += bool(here or (wished and key))
        stale = sum(
            mine != due
            for items, latest in zip(self.items, roll.items)
            if items != latest
            for mine, due, there in zip(items, latest, roll.there)
            if there and due
        )
        return Faults(unseen, undrawn, ghosts + len(self.strangers), stale)

    def _own_as_due(self) -> None:
        roll, own = self.roll, self.own
        self.there[own] = self.wished[own] = roll.there[own]
        for items, latest in zip(self.items, roll.items):
            items[own] = latest[own]


def _empty(size: int) -> array[int]:
    return array("q", bytes(8 * size))
