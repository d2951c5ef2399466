"""The reckoning of a school's day: each way in which a server can be wrong is counted, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sugaroid.errors import PresenceError
from sugaroid.presence import Presence
from sugaroid.profile import Profile
from sugaroid.schoolday.day import quantiles
from sugaroid.schoolday.ledger import Faults, Roll, Sight
from sugaroid.schoolday.parser import SightParser, identity
from sugaroid.schoolday.plan import WAYS, groups, lesson

ANA, BEN, EVE = "ana@lima", "ben@lima", "eve@lima"
HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    b" from='lima' version='1.0'>"
)


@pytest.fixture
def roll() -> Roll:
    """Ana, Ben and Eve, who all are there and have published their keys."""
    roll = Roll([ANA, BEN, EVE], ["QU5B", "QkVO", "RVZF"])
    for number in range(3):
        roll.came(number)
        roll.publishes(number, 0)
        roll.published(number, 0, 100 + number)
    return roll


@pytest.fixture
def sight(roll: Roll) -> Sight:
    """What Ana sees: all is well."""
    sight = Sight(roll, 0)
    for number, jid in ((1, BEN), (2, EVE)):
        sight.roster_item(jid, "both")
        sight.available(number)
        sight.item(number, 0, 100 + number)
    return sight


def test_all_is_well(sight: Sight) -> None:
    assert sight.exact()
    assert sight.faults() == Faults()
    assert (sight.twice, sight.forged) == (0, 0)


def _misses_a_presence(sight: Sight) -> None:
    sight.there[1] = 0


def _misses_an_item(sight: Sight) -> None:
    sight.items[0][1] = 0


def _keeps_an_old_item(sight: Sight) -> None:
    sight.roll.published(1, 0, 777)


def _never_had_the_roster_item(sight: Sight) -> None:
    sight.wished[1] = sight.listed[1] = 0


def _is_not_told_who_left(sight: Sight) -> None:
    sight.roll.left(1)


def _sees_a_stranger(sight: Sight) -> None:
    sight.roster_item("mal@lima", "both")


def _cannot_have_a_key_that_was_refused(sight: Sight) -> None:
    sight.roll.came(1)
    sight.roll.publishes(1, 0)
    sight.items[0][1] = 0


def _draws_nobody_who_came_back_without_a_new_item(sight: Sight) -> None:
    sight.roll.came(1)
    sight.gone(1)
    sight.available(1)
    sight.roll.publishes(1, 0)
    sight.roll.published(1, 0, 778)
    sight.item(1, 0, 778)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (_misses_a_presence, Faults(unseen=1, undrawn=1)),
        (_misses_an_item, Faults(undrawn=1, stale=1)),
        (_keeps_an_old_item, Faults(stale=1)),
        (_never_had_the_roster_item, Faults(undrawn=1)),
        (_is_not_told_who_left, Faults(ghosts=1)),
        (_sees_a_stranger, Faults(ghosts=1)),
        (_cannot_have_a_key_that_was_refused, Faults(undrawn=1)),
        (_draws_nobody_who_came_back_without_a_new_item, Faults(undrawn=1)),
    ],
)
def test_what_is_wrong_is_counted(sight: Sight, wrong: Callable[[Sight], None], expected: Faults) -> None:
    wrong(sight)

    assert not sight.exact()
    assert sight.faults() == expected


def test_who_comes_back_properly_is_drawn_again(sight: Sight) -> None:
    sight.gone(1)
    sight.roster_item(BEN, "remove")
    sight.roll.left(1)
    assert sight.exact()

    sight.roll.came(1)
    assert not sight.exact()
    sight.roster_item(BEN, "both")
    sight.available(1)
    assert sight.exact()
    assert sight.twice == 0


def test_what_is_said_twice_is_counted(sight: Sight) -> None:
    sight.available(1)
    sight.roster_item(BEN, "both")
    sight.item(1, 0, 101)
    sight.item(1, 0, 999)  # news

    assert sight.twice == 3


def _stanzas() -> bytes:
    presence = f"<presence from='{BEN}/sugar' to='{ANA}/sugar'><c xmlns='http://jabber.org/protocol/caps' ver='x'/>"
    item = (
        f"<message from='{BEN}' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'>"
        "<items node='http://laptop.org/xmpp/buddy-properties'><item id='one'>"
        "<properties xmlns='http://laptop.org/xmpp/buddy-properties'><property name='key' type='bytes'>%s</property>"
        "</properties></item></items></event>"
        "<addresses xmlns='http://jabber.org/protocol/address'><address type='replyto' jid='x'/></addresses>"
        "</message>"
    )
    return "".join(
        (
            f"<iq type='set' id='p&apos;1'><query xmlns='jabber:iq:roster'><item jid='{BEN}' subscription='both'/>",
            "</query></iq>",
            f"{presence}</presence>",
            item % "QkVO",
            item % "Zm9yZ2Vk",
            f"<presence from='{EVE}/sugar' type='unavailable'/>",
            f"<presence from='room@conference.lima/eve'><x xmlns='{'http://jabber.org/protocol/muc#user'}'/></presence>",
            f"<message from='{BEN}/sugar'><body>hi</body></message>",
            "<iq type='result' id='q1'/>",
        )
    ).encode()


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_a_stream_in_any_pieces_goes_into_the_ledger(roll: Roll, piece: int) -> None:
    sight, sent, others = Sight(roll, 0), [], []
    sight.listed[2] = sight.there[2] = sight.wished[2] = 1
    parser = SightParser(sight, sent.append)
    stream = HEADER + _stanzas()
    for start in range(0, len(stream), piece):
        others += parser.feed(stream[start : start + piece])

    assert bytes(sight.there) == b"\0\1\0"
    assert bytes(sight.listed) == b"\0\1\1"
    published = "<p:properties xmlns:p='x'><p:property type='bytes' name='key'>QkVO</p:property></p:properties>"
    assert sight.items[0][1] == identity(published) != identity(published.replace("QkVO", "QkVOQkVO"))
    assert sight.forged == 1
    assert "".join(sent) == "<iq type='result' id=\"p'1\"/>"
    assert [element.get("from") for element in others] == ["room@conference.lima/eve", f"{BEN}/sugar", None]
    assert len(others[0]) == 1
    assert others[1][0].text == "hi"


def _roster(kind: str, subscription: str) -> str:
    """The roster, or a push, with Ben."""
    query = f"<query xmlns='jabber:iq:roster'><item jid='{BEN}' subscription='{subscription}'/></query>"
    return f"<iq type='{kind}' id='1' from='{ANA}'>{query}</iq>"


def test_a_roster_is_read_before_what_comes_behind_it(roll: Roll) -> None:
    """A busy server sends the roster, and that somebody goes and comes back, in one piece."""
    sight = Sight(roll, 0)
    parser = SightParser(sight, lambda _text: None)
    (answer,) = parser.feed(HEADER + _roster("result", "both").encode())
    assert answer.get("type") == "result", "whoever has asked learns that it is there"
    assert bytes(sight.listed) == b"\0\1\0"

    parser.feed((_roster("set", "remove") + _roster("result", "both") + _roster("set", "remove")).encode())
    assert (bytes(sight.listed), sight.twice) == (b"\0\0\0", 0)


def test_a_single_laptop_reads_it_in_the_same_order() -> None:
    laptop, seen = Presence(Profile.make("ana"), "lima", asks=False), []

    async def hears() -> None:
        laptop._answers["1"] = asyncio.get_running_loop().create_future()
        parser = laptop.make_parser()
        stream = HEADER + (_roster("result", "both") + _roster("set", "remove")).replace(ANA, laptop.jid).encode()
        for stanza in parser.feed(stream):
            laptop._received(stanza)
            seen.append(dict(laptop.neighborhood.roster))

    asyncio.run(hears())
    assert seen == [{BEN: "both"}, {}]


def test_what_is_no_xml_is_refused(roll: Roll) -> None:
    parser = SightParser(Sight(roll, 0), lambda _text: None)
    with pytest.raises(PresenceError, match="well-formed"):
        parser.feed(HEADER + f"<presence from='{BEN}/sugar'></message>".encode())


def test_a_push_by_somebody_else_changes_nothing(roll: Roll) -> None:
    sight, sent = Sight(roll, 0), []
    parser = SightParser(sight, sent.append)
    push = f"<iq type='set' id='1' from='{EVE}/sugar'><query xmlns='jabber:iq:roster'><item jid='{BEN}'"
    others = parser.feed(HEADER + push.encode() + b" subscription='both'/></query></iq>")

    assert bytes(sight.listed) == b"\0\0\0"
    assert len(others) == 1
    assert sent == []


def test_the_same_seed_makes_the_same_lesson() -> None:
    acts = lesson(40, 30.0, "a")

    assert acts == lesson(40, 30.0, "a") != lesson(40, 30.0, "b")
    gone = [act.number for act in acts if act.what in WAYS]
    assert gone
    assert len(gone) == len(set(gone))
    assert all(number % 2 for number in gone)
    assert all(act.number % 2 == 0 for act in acts if act.what not in WAYS)
    assert all(0 <= act.at_seconds <= 30 for act in acts)
    assert sorted(number for group in groups(40) for number in group) == list(range(0, 40, 2))


def test_quantiles_are_values_that_occurred() -> None:
    assert quantiles([]) is None
    assert quantiles([3.0]) == (3.0, 3.0)
    assert quantiles(range(1, 101)) == (50, 99)
    assert quantiles([5.0, 1.0, 9.0]) == (5.0, 9.0)
