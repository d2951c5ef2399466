"""What Sugar's client needs of PEP: colours, keys and activities, to those who ask for them.

The lines are those of telepathy-gabble's and Sugar's source, and of desktops that were watched; the client library
is not ours.
"""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from slixmpp.exceptions import IqError

from .child import ACTIVITIES, CURRENT, HERE, NODES, Child, canonical
from .classroom import Classroom, in_classroom
from .published import COLOUR, payloads
from .wire import BUDDY, PUBSUB

CAPS = "{http://jabber.org/protocol/caps}c"


@in_classroom
async def test_what_is_published_reaches_those_who_are_there_unchanged(classroom: Classroom) -> None:
    """A buddy is drawn only after its key has come."""
    ana, ben = await classroom.online(), await classroom.online()
    published = payloads(ben, COLOUR)
    for node, payload in published.items():
        await ben.publish(node, payload)
    await _hears(ana, ben, published)


@in_classroom
async def test_who_comes_later_is_told_the_last_of_everything(classroom: Classroom) -> None:
    """Its account must have learned the presence of those who were there, or it never gets their colours."""
    ben = await classroom.online()
    for node, payload in payloads(ben, "#000000,#FFFFFF").items():
        await ben.publish(node, payload)
    published = payloads(ben, COLOUR)
    for node, payload in published.items():
        await ben.publish(node, payload)
    ana = await classroom.online()
    await _hears(ana, ben, published)


@in_classroom
async def test_who_comes_and_publishes_is_heard_by_who_came_between(classroom: Classroom) -> None:
    """In both orders at once: one publishes before its first presence, the other returns."""
    ana, ben = await classroom.online(), await classroom.logged_in()
    published = payloads(ben, COLOUR)
    for node, payload in published.items():
        await ben.publish(node, payload)
    assert not ana.items_of(ben, BUDDY)
    await ana.disconnect()
    ana = await classroom.online(number=ana.number)
    await ben.come_online()
    await _hears(ana, ben, published)


async def _hears(child: Child, other: Child, published: dict[str, str]) -> None:
    """Of another exactly what it has published, once."""
    await child.until(lambda: all(child.items_of(other, node) for node in published), "an item of each node")
    await child.settle()
    for node, payload in published.items():
        assert child.items_of(other, node) == [canonical(payload)]


@in_classroom
async def test_the_last_item_can_be_asked_for(classroom: Classroom) -> None:
    """Sugar asks for the properties of a new buddy; no subscription but the roster's is needed."""
    ana, ben = await classroom.online(notify=()), await classroom.online()
    for node in NODES:
        with pytest.raises(IqError) as missing:
            await ana.plugin["xep_0060"].get_items(ben.boundjid.bare, node)
        assert missing.value.condition == "item-not-found"
    for colour in ("#000000,#FFFFFF", COLOUR):
        published = payloads(ben, colour)
        for node, payload in published.items():
            await ben.publish(node, payload)
    for node, payload in published.items():
        answer = await ana.plugin["xep_0060"].get_items(ben.boundjid.bare, node)
        items = list(answer.xml.iter(PUBSUB + "item"))
        assert [canonical(ElementTree.tostring(item[0], "unicode")) for item in items] == [canonical(payload)]


@in_classroom
async def test_what_is_asked_for_is_what_was_told(classroom: Classroom) -> None:
    """The same item by the same name, however often its owner comes back and publishes the same again."""
    ana, ben = await classroom.online(), await classroom.online()
    node, payload = BUDDY, payloads(ben, COLOUR)[BUDDY]
    for _ in range(3):
        await ben.publish(node, payload)
        own = await ben.plugin["xep_0060"].get_items(None, node)
        asked = await ana.plugin["xep_0060"].get_items(ben.boundjid.bare, node)
        assert asked.xml.get("from") == ben.boundjid.bare
        names = [[item.get("id") for item in answer.xml.iter(PUBSUB + "item")] for answer in (asked, own)]
        assert names[0] == names[1]
        assert names[0][0]
        await ben.disconnect()
        ben = await classroom.online(number=ben.number)
    await ana.until(lambda: ana.story_of(ben)[-2:] == HERE, "the return")


@in_classroom
async def test_what_has_not_changed_is_told_once(classroom: Classroom) -> None:
    """Sugar publishes without need: at each login, and after an answer that was late."""
    ana, ben = await classroom.online(), await classroom.online()
    one, other = (payloads(ben, colour)[BUDDY] for colour in (COLOUR, "#000000,#FFFFFF"))
    for payload in (one, one, other, other, one):
        await ben.publish(BUDDY, payload)
    (item,) = (await ana.plugin["xep_0060"].get_items(ben.boundjid.bare, BUDDY)).xml.iter(PUBSUB + "item")
    await ben.plugin["xep_0060"].retract(None, BUDDY, item.get("id"), notify=True)
    await ben.publish(BUDDY, one)
    told = [canonical(payload) for payload in (one, other, one, one)]
    await ana.until(lambda: len(ana.items_of(ben, BUDDY)) >= len(told), "what changed")
    await ana.settle()
    assert ana.items_of(ben, BUDDY) == told


@in_classroom
async def test_what_is_not_for_all_is_asked_for_in_vain(classroom: Classroom) -> None:
    """Its owner may withdraw an item, or show it to some only; and who is not online has no buddies."""
    ana, ben = await classroom.online(), await classroom.online()
    pubsub = ana.plugin["xep_0060"]
    published = payloads(ben, COLOUR)
    for node in (BUDDY, CURRENT):
        await ben.publish(node, published[node])
    form = await ben.plugin["xep_0060"].get_node_config(None, CURRENT)
    answers = form["pubsub_owner"]["configure"]["form"]
    answers.reply()
    answers.set_values({"FORM_TYPE": f"{PUBSUB[1:-1]}#node_config", "pubsub#access_model": "whitelist"})
    await ben.plugin["xep_0060"].set_node_config(None, CURRENT, answers)
    for asker, node, refusal in ((ana, CURRENT, "forbidden"), (await classroom.logged_in(), BUDDY, "forbidden")):
        with pytest.raises(IqError) as refused:
            await asker.plugin["xep_0060"].get_items(ben.boundjid.bare, node)
        assert refused.value.condition == refusal
    (item,) = (await pubsub.get_items(ben.boundjid.bare, BUDDY)).xml.iter(PUBSUB + "item")
    await ben.plugin["xep_0060"].retract(None, BUDDY, item.get("id"), notify=True)
    assert not list((await pubsub.get_items(ben.boundjid.bare, BUDDY)).xml.iter(PUBSUB + "item"))


@in_classroom
async def test_capabilities_pass_unchanged_and_their_owner_is_asked(classroom: Classroom) -> None:
    """The client reads in them who can do what, and asks the other about a hash that it does not know."""
    ana, ben = await classroom.online(), await classroom.online(notify=(BUDDY,))
    own = (await ben.heard_from(ben.boundjid.full)).find(CAPS)
    seen = (await ana.heard_from(ben.boundjid.full)).find(CAPS)
    assert seen is not None
    assert own is not None
    assert seen.attrib == own.attrib
    assert seen.get("ver") == await ben.plugin["xep_0115"].get_verstring()
    info = await ana.plugin["xep_0030"].get_info(ben.boundjid.full, node=f"{seen.get('node')}#{seen.get('ver')}")
    assert f"{BUDDY}+notify" in info["disco_info"]["features"]


@in_classroom
async def test_only_what_the_capabilities_ask_for_is_sent(classroom: Classroom) -> None:
    """`+notify` in the capabilities is the filter, and it may change while the child is there."""
    ben = await classroom.online()
    colours, nothing = await classroom.online(notify=(BUDDY,)), await classroom.online(notify=())
    everything = await classroom.online()
    published = payloads(ben, COLOUR)
    for node in (*NODES[1:], BUDDY):  # so that the colour comes last
        await ben.publish(node, published[node])
    await _hears(everything, ben, published)
    await _hears(colours, ben, {BUDDY: published[BUDDY]})
    await nothing.settle()
    for node in NODES:
        assert nothing.items_of(ben, node) == []
        assert len(colours.items_of(ben, node)) == (node == BUDDY)
    await colours.advertise(BUDDY, CURRENT)
    colours.send_presence()
    await _hears(colours, ben, {BUDDY: published[BUDDY], CURRENT: published[CURRENT]})
    assert colours.items_of(ben, ACTIVITIES) == []
