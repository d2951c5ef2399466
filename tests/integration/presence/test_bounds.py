"""What one user may keep on the server, and that a term leaves no more behind than a day."""

from __future__ import annotations

import os
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from .laptop import Laptop
from .published import COLOUR, buddy
from .server import Server, running
from .wire import BUDDY, CLIENT, PUBSUB, ROSTER, condition

Fresh = Callable[..., Laptop]
OWNER = "http://jabber.org/protocol/muc#owner"
ERRORS = "{http://jabber.org/protocol/pubsub#errors}"
LAPTOPS = 10
# In the server's own words, where H is its host: users who have nodes, and rooms.
NODES = "pairs(module(H, 'pep').module:shared('/' .. H .. '/storage_memory/pep'))"
ROOMS = "module('conference.' .. H, 'muc').live_rooms()"
SUGARS = (
    BUDDY,
    "http://laptop.org/xmpp/activities",
    "http://laptop.org/xmpp/current-activity",
    "http://laptop.org/xmpp/activity-properties",
    "http://jabber.org/protocol/nick",
)


def _publish(laptop: Laptop, node: str, payload: str, item: str = "") -> Element:
    request = f"<publish node='{node}'><item{item}>{payload}</item></publish>"
    return laptop.iq("set", f"<pubsub xmlns='{PUBSUB[1:-1]}'>{request}</pubsub>")


def _items(laptop: Laptop, node: str) -> list[Element]:
    return list(
        laptop.iq("get", f"<pubsub xmlns='{PUBSUB[1:-1]}'><items node='{node}'/></pubsub>").iter(PUBSUB + "item")
    )


def test_other_nodes_are_few_and_sugars_are_always_taken(laptop: Fresh) -> None:
    ana = laptop().online()
    taken = [_publish(ana, f"urn:x:{number}", "<x xmlns='urn:x'/>").get("type") for number in range(20)]
    assert taken == ["result"] * 16 + ["error"] * 4
    # A node that was deleted has left its name: making and deleting goes on no longer.
    gone = f"<pubsub xmlns='{PUBSUB[1:-1]}#owner'><delete node='urn:x:0'/></pubsub>"
    assert ana.iq("set", gone).get("type") == "result"
    refused = _publish(ana, "urn:x:new", "<x xmlns='urn:x'/>")
    assert condition(refused) == "resource-constraint"
    assert refused.find(f".//{ERRORS}max-nodes-exceeded") is not None
    for nameless in ("<create/>", "<create node='urn:x:other'/>"):
        asked = ana.iq("set", f"<pubsub xmlns='{PUBSUB[1:-1]}'>{nameless}</pubsub>")
        assert condition(asked) == "resource-constraint"
    assert _publish(ana, "urn:x:1", "<x xmlns='urn:x'/>").get("type") == "result"
    for node in SUGARS:
        assert _publish(ana, node, f"<x xmlns='{node}'/>").get("type") == "result"
        assert len(_items(ana, node)) == 1


def test_other_items_are_small_and_sugars_as_large_as_a_stanza(laptop: Fresh) -> None:
    ana = laptop().online()
    large = f"<x xmlns='urn:x'>{'x' * 20_000}</x>"
    refused = _publish(ana, "urn:x", large)
    assert condition(refused) == "not-acceptable"
    assert refused.find(f".//{ERRORS}payload-too-big") is not None
    assert _publish(ana, "urn:x", f"<x xmlns='urn:x'>{'x' * 15_000}</x>").get("type") == "result"
    for node in SUGARS:
        assert _publish(ana, node, f"<x xmlns='{node}'>{'x' * 100_000}</x>").get("type") == "result"


def test_a_node_keeps_one_item(laptop: Fresh) -> None:
    ana = laptop().online()
    for number in range(3):
        assert _publish(ana, BUDDY, buddy(COLOUR), f" id='{number}'").get("type") == "result"
    assert [item.get("id") for item in _items(ana, BUDDY)] == ["2"]
    several = (
        "<publish-options><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        "<field var='pubsub#max_items'><value>3</value></field></x></publish-options>"
    )
    for node in ("urn:x", SUGARS[1]):
        publish = f"<publish node='{node}'><item><x xmlns='urn:x'/></item></publish>"
        asked = ana.iq("set", f"<pubsub xmlns='{PUBSUB[1:-1]}'>{publish}{several}</pubsub>")
        assert condition(asked) in {"not-acceptable", "bad-request"}


def test_contacts_of_one_s_own_are_few_and_little_is_noted_about_them(laptop: Fresh) -> None:
    def note(jid: str, more: str = "") -> Element:
        return ana.iq("set", f"<query xmlns='{ROSTER[1:-1]}'><item jid='{jid}' {more}/></query>")

    ana = laptop().online()
    assert [note(f"{number}@x").get("type") for number in range(102)] == ["result"] * 100 + ["error"] * 2
    assert note("0@x", "name='known'").get("type") == "result"
    assert condition(note("1@x", f"name='{'x' * 3000}'")) == "not-allowed"
    assert note("2@x", "subscription='remove'").get("type") == "result"
    assert note("new@x").get("type") == "result"
    assert condition(note("one-more@x")) == "not-allowed"


def test_a_card_is_small(laptop: Fresh) -> None:
    def publish(size: int) -> Element:
        return ana.iq("set", f"<vCard xmlns='vcard-temp'><NOTE>{'x' * size}</NOTE></vCard>")

    ana = laptop().online()
    assert publish(60_000).get("type") == "result"
    assert condition(publish(70_000)) == "not-acceptable"
    assert len(ana.iq("get", "<vCard xmlns='vcard-temp'/>").findtext(".//{vcard-temp}NOTE") or "") == 60_000


def test_who_opens_more_connections_than_a_child_needs_loses_the_oldest(server: Server, laptop: Fresh) -> None:
    ana, number = laptop().online(), 700
    opened = [Laptop(server.tls_port, server.domain, number, f"r{place}").online() for place in range(12)]
    try:
        for lost in opened[:2]:
            with pytest.raises((ConnectionError, ssl.SSLError)):
                lost.wait(lambda _: False)
        for kept in opened[2:]:
            kept.settle()
        here = Counter(s.get("from") for s in ana.settle() if s.tag == CLIENT + "presence" and not s.get("type"))
        gone = Counter(s.get("from") for s in ana.settle() if s.get("type") == "unavailable")
        assert here - gone == Counter(each.jid for each in [ana, *opened[2:]])
    finally:
        for each in opened:
            each.socket.close()


def test_no_owner_makes_a_room_stay(server: Server, laptop: Fresh) -> None:
    ana = laptop().online()
    room = f"stays@conference.{server.domain}"
    _share(ana, room, persistent=True)
    shown = ana.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=room)
    features = {each.get("var") for each in shown.iter("{http://jabber.org/protocol/disco#info}feature")}
    assert "muc_temporary" in features
    ana.send(f"<presence to='{room}/ana' type='unavailable'/>")
    ana.settle()
    gone = ana.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=room)
    assert condition(gone) == "item-not-found"


def _share(laptop: Laptop, room: str, *, persistent: bool) -> None:
    laptop.send(f"<presence to='{room}/ana'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    laptop.settle()
    form = laptop.iq("get", f"<query xmlns='{OWNER}'/>", to=room)
    fields = {field.get("var") for field in form.iter("{jabber:x:data}field")}
    assert "muc#roomconfig_persistentroom" in fields  # or Sugar's client would give up
    answer = laptop.iq(
        "set",
        f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
        f"<field var='muc#roomconfig_persistentroom'><value>{int(persistent)}</value></field></x></query>",
        to=room,
    )
    assert answer.get("type") == "result"


def test_a_term_leaves_no_more_behind_than_its_first_day() -> None:
    with running("sugar_away_seconds = 1") as school:
        kept = []
        for _ in range(3):
            _school_day(school)
            _wait_until_forgotten(school)
            kept.append(_kept(school.folder / "data"))
        assert all(day == kept[0] for day in kept), kept
        # An account, when it was made, and when it was used last: nothing else is on the disk.
        files = {Path(name): size for name, size in kept[0].items() if "/" in name}
        assert {file.parent.name for file in files} == {"accounts", "account_details", "sugar_seen"}
        assert len(files) == 3 * LAPTOPS
        assert max(files.values()) <= 512


def _school_day(school: Server) -> None:
    laptops = [Laptop(school.tls_port, school.domain, number + 1).online() for number in range(LAPTOPS)]
    for number, laptop in enumerate(laptops):
        for node in SUGARS:
            assert _publish(laptop, node, buddy(COLOUR)).get("type") == "result"
        if number % 5 == 0:
            _share(laptop, f"day-{number}@conference.{school.domain}", persistent=True)
    assert (_count(school, NODES), _count(school, ROOMS)) == (LAPTOPS, LAPTOPS // 5)
    for laptop in laptops:
        laptop.close()


def _wait_until_forgotten(school: Server) -> None:
    """No item is in memory any more, nor any room."""
    deadline = time.monotonic() + 30
    while (left := (_count(school, NODES), _count(school, ROOMS))) != (0, 0):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def _count(school: Server, table: str) -> int:
    """How many entries a table in the server's memory has."""
    said = school.shell(
        f"> local n, H = 0, '{school.domain}' "
        "local function module(host, name) return require 'core.modulemanager'.get_module(host, name) end "
        f"for _ in {table} do n = n + 1 end return n"
    )
    found = re.search(r"Result: (\d+)", said)
    assert found, said
    return int(found.group(1))


def _kept(folder: Path) -> dict[str, int]:
    """All files, with their sizes."""
    return {
        str(Path(place, name).relative_to(folder)): Path(place, name).stat().st_size
        for place, _, names in os.walk(folder)
        for name in names
    }
