"""The shared roster as Sugar's Neighborhood uses it: who appears, who disappears, and in which order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .laptop import Laptop
from .server import Server
from .wire import BUDDY, CLIENT, PUBSUB, ROSTER, condition

Fresh = Callable[..., Laptop]
RED, BLUE = "#FF0000,#000000", "#0000FF,#000000"


def test_two_laptops_see_each_other(laptop: Fresh) -> None:
    first = laptop().online()
    second = laptop().online()
    assert first.story_of(second) == ["roster both", "available"]
    assert second.story_of(first) == ["roster both", "available"]


def test_a_laptop_that_is_not_there_is_not_shown(laptop: Fresh) -> None:
    absent = laptop().online()
    absent.close()
    logged_in_only = laptop()
    first, second = laptop().online(), laptop().online()
    for watcher in (first, second):
        assert watcher.story_of(absent) == []
        assert watcher.story_of(logged_in_only) == []
    assert logged_in_only.story_of(first) == []


def test_the_roster_lists_those_who_are_there(laptop: Fresh) -> None:
    first, second = laptop().online(), laptop().online()
    # A client that remembers a roster's version must not be told that nothing has changed since.
    known = ["", "1"]
    while known:
        answer = second.iq("get", f"<query xmlns='{ROSTER[1:-1]}' ver='{known.pop()}'/>")
        items = {i.get("jid"): i.get("subscription") for i in answer.iter(ROSTER + "item")}
        assert items == {first.bare: "both"}
    given = next(answer.iter(ROSTER + "query")).get("ver") or ""
    again = second.iq("get", f"<query xmlns='{ROSTER[1:-1]}' ver='{given}'/>")
    assert [i.get("jid") for i in again.iter(ROSTER + "item")] == [first.bare]


@pytest.mark.parametrize("politely", [True, False])
def test_a_leaving_laptop_is_unavailable_first_and_then_removed(laptop: Fresh, politely: bool) -> None:
    first, second = laptop().online(), laptop().online()
    if politely:
        second.close()
    else:
        second.socket.close()  # the cable is cut
    first.wait(lambda s: any(i.get("subscription") == "remove" for i in s.iter(ROSTER + "item")))
    assert first.story_of(second) == ["roster both", "available", "unavailable", "roster remove"]


def test_a_laptop_that_hides_itself_and_shows_itself_again(laptop: Fresh) -> None:
    first, second = laptop().online(), laptop().online()
    second.send("<presence type='unavailable'/>")
    second.settle()
    assert first.story_of(second)[2:] == ["unavailable", "roster remove"]
    assert second.story_of(first) == ["roster both", "available"]  # its roster is that of those who are there
    second.online()
    assert first.story_of(second)[4:] == ["roster both", "available"]
    assert second.story_of(first)[2:] == ["roster both", "available"]


def test_a_returning_laptop_is_pushed_anew(laptop: Fresh) -> None:
    first, second = laptop().online(), laptop(501).online()
    second.close()
    back = laptop(501).online()
    assert first.story_of(back)[2:] == ["unavailable", "roster remove", "roster both", "available"]
    assert back.story_of(first) == ["roster both", "available"]


def test_a_laptop_that_reconnects_before_its_old_stream_is_given_up(laptop: Fresh) -> None:
    first, old = laptop().online(), laptop(502).online()
    new = laptop(502).online()
    assert first.story_of(old)[2:] == ["unavailable", "roster remove", "roster both", "available"]
    assert new.story_of(first) == ["roster both", "available"]


def test_changes_of_presence_reach_the_others_without_a_push(laptop: Fresh) -> None:
    first, second = laptop().online(), laptop().online()
    second.send("<presence><show>away</show></presence>")
    second.settle()
    assert first.story_of(second) == ["roster both", "available", "available"]


def test_colours_reach_those_who_are_there_and_those_who_come(laptop: Fresh) -> None:
    first = laptop().online()
    assert first.publish(RED).get("type") == "result"
    second = laptop().online()
    assert second.publish(BLUE).get("type") == "result"
    second.settle()
    first.settle()
    assert second.colours_of(first) == [RED]
    assert first.colours_of(second) == [BLUE]


def test_a_colour_published_before_the_first_presence_arrives_too(laptop: Fresh) -> None:
    first = laptop().online()
    second = laptop()
    second.publish(BLUE)
    second.online()
    first.settle()
    second.settle()
    assert first.colours_of(second) == [BLUE]


def test_colours_reach_a_laptop_that_returns_after_its_peer_was_away_too(laptop: Fresh) -> None:
    first, second = laptop(503).online(), laptop(504).online()
    first.publish(RED)
    second.settle()
    first.close()  # leaves while the second is there, the second leaves while the first is away
    second.settle()
    second.close()
    first = laptop(503).online()
    first.publish(BLUE)
    second = laptop(504).online()
    first.settle()
    second.settle()
    assert second.colours_of(first) == [BLUE]


def test_buddy_properties_can_be_asked_for(laptop: Fresh) -> None:
    first, second = laptop().online(), laptop().online()
    first.publish(RED)
    ask = f"<pubsub xmlns='{PUBSUB[1:-1]}'><items node='{BUDDY}'/></pubsub>"
    answer = second.iq("get", ask, to=first.bare)
    assert [p.text for p in answer.iter(f"{{{BUDDY}}}property")] == [RED]
    assert condition(first.iq("get", ask, to=second.bare)) == "item-not-found"


def test_rosters_are_not_stored(laptop: Fresh, server: Server) -> None:
    before = server.stored("roster")
    first, second = laptop().online(), laptop().online()
    for kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
        first.send(f"<presence type='{kind}' to='{second.bare}'/>")
    for action in ("name='friend'", "subscription='remove'"):
        answer = first.iq("set", f"<query xmlns='{ROSTER[1:-1]}'><item jid='{second.bare}' {action}/></query>")
        assert condition(answer) == "not-allowed"
    assert first.story_of(second) == ["roster both", "available", "subscribed"]
    assert second.story_of(first) == ["roster both", "available"]
    first.iq("set", "<query xmlns='jabber:iq:register'><remove/></query>")
    second.wait(lambda s: s.tag == CLIENT + "presence" and s.get("type") == "unavailable")
    second.wait(lambda s: any(i.get("subscription") == "remove" for i in s.iter(ROSTER + "item")))
    assert second.story_of(first) == ["roster both", "available", "unavailable", "roster remove"]
    assert server.stored("roster") == before


def test_private_contacts_are_kept_and_come_back(laptop: Fresh) -> None:
    first, friend = laptop(), laptop(505)
    mine = f"<query xmlns='{ROSTER[1:-1]}'><item jid='{friend.bare}' name='Ana'><group>Friends</group></item></query>"
    assert first.iq("set", mine).get("type") == "result"
    first.online()
    friend.online()
    friend.close()
    first.wait(lambda s: s.tag == CLIENT + "presence" and s.get("type") == "unavailable")
    assert first.story_of(friend) == ["roster none", "roster both", "available", "unavailable", "roster none"]
    answer = first.iq("get", f"<query xmlns='{ROSTER[1:-1]}'/>")
    item = next(answer.iter(ROSTER + "item"))
    assert (item.get("name"), item.findtext(ROSTER + "group")) == ("Ana", "Friends")
