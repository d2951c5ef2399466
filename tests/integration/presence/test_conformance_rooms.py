"""What Sugar's client needs to share activities and to send to friends.

The lines are those of telepathy-gabble's and Sugar's source, and of desktops that were watched; the client library
is not ours.
"""

from __future__ import annotations

import base64
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from .child import PROPERTIES, Child, canonical
from .classroom import Classroom, in_classroom
from .published import activity, properties, room_of
from .wire import CLIENT, STANZAS

USER = "{http://jabber.org/protocol/muc#user}"


# Shared activities


async def _enter(child: Child, room: str) -> Element:
    """Its own presence in the room."""
    return (await child.plugin["xep_0045"].join_muc_wait(JID(room), child.name[:8], maxchars=0, timeout=10))[0].xml


def _codes(presence: Element) -> set[str | None]:
    return {status.get("code") for status in presence.iter(USER + "status")}


async def _share(child: Child, room: str) -> None:
    """Makes the room and sets its form as the client does."""
    assert "201" in _codes(await _enter(child, room))
    form = await child.plugin["xep_0045"].get_room_config(room)
    wanted = {"whois": "anyone", "membersonly": False, "persistentroom": False, "publicroom": False}
    assert {f"muc#roomconfig_{name}" for name in wanted} <= set(form.get_fields())
    answers = form.get_values()
    form.reply()
    form.set_values(answers | {f"muc#roomconfig_{name}": value for name, value in wanted.items()})
    await child.plugin["xep_0045"].set_room_config(room, form)


@in_classroom
async def test_any_child_makes_a_room_whose_guests_can_be_told_apart(classroom: Classroom) -> None:
    """Not anonymous, or the participants of an activity cannot be matched to buddies; hidden and temporary."""
    ana, ben = await classroom.online(), await classroom.online()
    for owner, guest in ((ana, ben), (ben, ana)):
        room = room_of(activity(), owner)
        await _share(owner, room)
        info = (await guest.plugin["xep_0030"].get_info(room))["disco_info"]
        assert {"muc_nonanonymous", "muc_open", "muc_temporary", "muc_hidden"} <= set(info["features"])
        assert "201" not in _codes(await _enter(guest, room))
        shown = await guest.heard_from(f"{room}/{owner.name[:8]}")
        assert [item.get("jid") for item in shown.iter(USER + "item")] == [owner.boundjid.full]
        listed = await guest.plugin["xep_0030"].get_items(f"conference.{guest.boundjid.host}")
        assert listed["disco_items"]["items"] == set()
        with pytest.raises(IqError) as denied:  # which the client takes for granted
            await guest.plugin["xep_0045"].get_room_config(room)
        assert denied.value.condition == "forbidden"


@in_classroom
async def test_a_room_is_new_again_after_its_last_guest(classroom: Classroom) -> None:
    """An activity that is shared again must find a room that it may set up."""
    ana, ben = await classroom.online(), await classroom.online()
    room = room_of(activity(), ana)
    await _share(ana, room)
    await _enter(ben, room)
    await ana.disconnect()
    await ben.until(lambda: not ben.plugin["xep_0045"].jid_in_room(JID(room), ana.boundjid), "the departure")
    ben.plugin["xep_0045"].leave_muc(JID(room), ben.name[:8])
    await ben.settle()
    await _share(ben, room)


@in_classroom
async def test_messages_and_properties_pass_the_room_unchanged(classroom: Classroom) -> None:
    """Activities send JSON, some of it large; changed properties of the activity go the same way."""
    ana, ben = await classroom.online(), await classroom.online()
    identifier = activity()
    room = room_of(identifier, ana)
    await _share(ana, room)
    await _enter(ben, room)
    body = '{"action": "paint", "points": "' + "x" * 64 * 1024 + '"}'
    large = ana.make_message(JID(room), body, mtype="groupchat")
    changed = ana.make_message(JID(room), mtype="groupchat")
    changed.append(ElementTree.fromstring(properties(identifier, room)))
    for message in (large, changed):
        message.send()
    got = await ben.find(
        "the large message", lambda s: s.get("type") == "groupchat" and s.find(CLIENT + "body") is not None
    )
    assert got.findtext(CLIENT + "body") == body
    assert got.get("from") == f"{room}/{ana.name[:8]}"
    got = await ben.find("the properties", lambda s: s.find(f"{{{PROPERTIES}}}properties") is not None)
    assert _text_of(got, "properties") == canonical(properties(identifier, room))


def _text_of(message: Element, name: str) -> str:
    found = message.find(f"{{{PROPERTIES}}}{name}")
    assert found is not None
    return canonical(ElementTree.tostring(found, "unicode"))


@in_classroom
async def test_an_invitation_comes_after_what_it_is_to_and_can_be_withdrawn(classroom: Classroom) -> None:
    """First the properties, so that the invited knows name and colour; then the room's own invitation."""
    ana, ben = await classroom.online(), await classroom.online()
    identifier = activity()
    room = room_of(identifier, ana)
    await _share(ana, room)
    message = ana.make_message(JID(ben.boundjid.bare))
    message.append(ElementTree.fromstring(properties(identifier, room)))
    message.send()
    ana.plugin["xep_0045"].invite(JID(room), JID(ben.boundjid.bare), "Come and write")
    withdrawn = f"<uninvite xmlns='{PROPERTIES}' id='{identifier}' room='{room}'/>"
    message = ana.make_message(JID(ben.boundjid.bare))
    message.append(ElementTree.fromstring(withdrawn))
    message.send()
    await ben.find("the withdrawal", lambda s: s.find(f"{{{PROPERTIES}}}uninvite") is not None)
    first, second, third = [s for s in ben.seen if s.tag == CLIENT + "message" and s.get("type") != "headline"]
    assert (first.get("from"), _text_of(first, "properties")) == (
        ana.boundjid.full,
        canonical(properties(identifier, room)),
    )
    invite = second.find(f"{USER}x/{USER}invite")
    assert invite is not None
    assert (second.get("from"), JID(invite.get("from")).bare) == (room, ana.boundjid.bare)
    assert invite.findtext(USER + "reason") == "Come and write"
    assert _text_of(third, "uninvite") == canonical(withdrawn)
    assert "201" not in _codes(await _enter(ben, room))


# What children send each other


@in_classroom
async def test_files_and_cards_go_from_child_to_child(classroom: Classroom) -> None:
    """What Sugar sends to a friend goes in requests from one full JID to the other, which the server only relays."""
    ana, ben = await classroom.online(), await classroom.online()
    sent = bytes(range(256)) * 40
    stream = await ana.plugin["xep_0047"].open_stream(ben.boundjid.full, block_size=4096, timeout=10)
    await stream.sendall(sent, timeout=10)
    blocks = [block for stanza in ben.seen for block in stanza.iterfind("{http://jabber.org/protocol/ibb}data")]
    assert b"".join(base64.b64decode(block.text or "") for block in blocks) == sent
    card = ana.plugin["xep_0054"].make_vcard()
    card["NICKNAME"] = "Añita"
    await ana.plugin["xep_0054"].publish_vcard(card)
    got = await ben.plugin["xep_0054"].get_vcard(ana.boundjid.bare)
    assert got["vcard_temp"]["NICKNAME"] == ["Añita"]


@in_classroom
async def test_a_request_that_the_other_does_not_know_is_answered_by_the_other(classroom: Classroom) -> None:
    """The error is the other client's, so that the first knows whom not to ask again."""
    ana, ben = await classroom.online(), await classroom.online()
    request = ana.make_iq_get(queryxmlns="urn:nobody-knows-this", ito=ben.boundjid.full)
    answer = await ana.ask(request)
    assert (answer.get("type"), answer.get("from")) == ("error", ben.boundjid.full)
    assert answer.find(f"{CLIENT}error/{STANZAS}feature-not-implemented") is not None
