"""What Sugar's client needs of the roster, so that the Neighborhood shows who is there.

The lines are those of telepathy-gabble's and Sugar's source, and of desktops that were watched; the client library
is not ours.
"""

from __future__ import annotations

import pytest
from slixmpp import JID
from slixmpp.exceptions import IqError

from .child import GONE, HERE, NICK, canonical
from .classroom import Classroom, in_classroom
from .published import COLOUR, buddy
from .wire import BUDDY, ROSTER


@in_classroom
async def test_each_is_in_the_roster_of_the_other_with_both(classroom: Classroom) -> None:
    """Nobody ever asks for a subscription: the server puts each who is online into the roster of everybody.

    A buddy appears when a line that was not there arrives; presence before it would add nobody.
    """
    ana = await classroom.online()
    ben = await classroom.online()
    await ana.sees(ben, HERE)
    await ben.sees(ana, HERE)
    pushed = await ana.find("the push", lambda s: s.get("type") == "set" and s.find(f"{ROSTER}query") is not None)
    assert pushed.get("from", ana.boundjid.bare) == ana.boundjid.bare  # or it would be ignored (RFC 6121, 2.1.6)
    for child, other in ((ana, ben), (ben, ana)):
        assert await child.contacts() == {other.boundjid.bare: "both"}
        assert child.client_roster[other.boundjid.bare]["subscription"] == "both"  # as slixmpp has understood it
        assert list(child.client_roster.presence(other.boundjid.bare)) == ["sugar"]


@in_classroom
async def test_who_is_not_online_is_nobodys_buddy(classroom: Classroom) -> None:
    """Those who have an account, or a stream without presence, are not in the Neighborhood."""
    absent = await classroom.online()
    await absent.disconnect()
    silent = await classroom.logged_in()
    ana, ben = await classroom.online(), await classroom.online()
    await ana.sees(ben, HERE)
    assert await ana.contacts() == {ben.boundjid.bare: "both"}
    for child in (ana, ben):
        assert child.story_of(absent) == child.story_of(silent) == []


@in_classroom
async def test_a_buddy_vanishes_by_unavailable_before_its_line_is_removed(classroom: Classroom) -> None:
    """`unavailable` counts only while the contact still is in the roster; the removal alone takes nobody away."""
    ana, ben, eva = [await classroom.online() for _ in range(3)]
    await ana.sees(eva, HERE)
    await ben.disconnect()
    eva.abort()  # a cable that is cut
    for other in (ben, eva):
        await ana.sees(other, HERE + GONE)
    assert await ana.contacts() == {}


@in_classroom
async def test_a_buddy_who_returns_is_pushed_anew(classroom: Classroom) -> None:
    """It is drawn again only if its line was removed and comes again."""
    ana, ben = await classroom.online(), await classroom.online()
    await ben.disconnect()
    back = await classroom.online(number=ben.number)
    await ana.sees(back, HERE + GONE + HERE)
    await back.sees(ana, HERE)


@in_classroom
async def test_a_buddy_who_hides_and_shows_itself_is_drawn_again(classroom: Classroom) -> None:
    """As going to another network and back, within one stream."""
    ana, ben = await classroom.online(), await classroom.online()
    ben.send_presence(ptype="unavailable")
    await ana.sees(ben, HERE + GONE)
    ben.send_presence()
    await ana.sees(ben, HERE + GONE + HERE)


@in_classroom
async def test_subscriptions_are_answered_and_change_nothing(classroom: Classroom) -> None:
    """The client may send them, and waits for `subscribed`; nothing is stored for it, and nobody is asked."""
    stored = classroom.server.stored("roster")
    ana, ben = await classroom.online(), await classroom.online()
    await ana.sees(ben, HERE)
    for kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
        ana.send_presence_subscription(pto=ben.boundjid.bare, ptype=kind)
    await ana.sees(ben, [*HERE, "subscribed"])
    await ben.sees(ana, HERE)
    assert await ana.contacts() == {ben.boundjid.bare: "both"}
    assert await ben.contacts() == {ana.boundjid.bare: "both"}
    assert classroom.server.stored("roster") == stored


@in_classroom
async def test_a_buddy_who_has_just_left_may_be_asked_too(classroom: Classroom) -> None:
    """The client may not know yet: there is no answer, and nothing is kept of the question."""
    stored = classroom.server.stored("roster")
    ana, ben = await classroom.online(), await classroom.online()
    await ana.sees(ben, HERE)
    await ben.disconnect()
    await ana.sees(ben, HERE + GONE)
    nobody = f"{'0' * 40}@{ana.boundjid.host}"
    for jid in (ben.boundjid.bare, nobody):
        for kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed"):
            ana.send_presence_subscription(pto=jid, ptype=kind)
    await ana.settle()
    assert await ana.contacts() == {}
    assert classroom.server.stored("roster") == stored
    again = await classroom.online(number=ben.number)
    await again.sees(ana, HERE)
    await ana.sees(again, HERE + GONE + HERE)


@in_classroom
async def test_those_who_have_noted_each_other_agree_as_elsewhere(classroom: Classroom) -> None:
    """Contacts of one's own are XMPP's, also those who are not there when they are asked; what is kept is small."""
    ana, ben = await classroom.online(), await classroom.online()
    await ana.sees(ben, HERE)
    await ben.disconnect()
    await ana.sees(ben, HERE + GONE)
    await ana.update_roster(JID(ben.boundjid.bare), name="Ben", subscription="none")
    question = ana.make_presence(pto=ben.boundjid.bare, ptype="subscribe", pstatus="x" * 50_000)
    question.send()
    await ana.settle()
    kept = {path.stem: path.stat().st_size for path in classroom.server.stored("roster")}
    assert 0 < kept[ana.name] < 1000
    assert 0 < kept[ben.name] < 1000
    ben = await classroom.logged_in(number=ben.number)
    ben.send_presence_subscription(pto=ana.boundjid.bare, ptype="subscribed")
    await ben.settle()
    await ben.disconnect()
    await ana.settle()
    assert await ana.contacts() == {ben.boundjid.bare: "to"}


@in_classroom
async def test_a_child_with_two_resources_is_one_buddy_until_both_have_left(classroom: Classroom) -> None:
    """Each resource shows and hides itself; the line in the roster is the child's."""
    ana = await classroom.online()
    laptop = await classroom.online()
    phone = await classroom.online(number=laptop.number, resource="phone")
    await ana.heard_from(phone.boundjid.full)
    await ana.sees(laptop, [*HERE, "available"])
    await phone.sees(ana, HERE)
    await phone.publish(BUDDY, buddy(COLOUR))
    await ana.until(lambda: ana.items_of(laptop, BUDDY), "the colour")
    await laptop.disconnect()
    await ana.sees(laptop, [*HERE, "available", "unavailable"])
    assert await ana.contacts() == {laptop.boundjid.bare: "both"}
    await phone.disconnect()
    await ana.sees(laptop, [*HERE, "available", "unavailable", *GONE])


@in_classroom
async def test_private_contacts_are_kept_beside_the_shared_ones(classroom: Classroom) -> None:
    """What a child has noted about somebody itself outlives its own stream and the other's."""
    ana, friend = await classroom.online(), await classroom.logged_in()
    await ana.update_roster(JID(friend.boundjid.bare), name="Inés", groups=["Friends"], subscription="none")
    await friend.come_online()
    await ana.sees(friend, ["roster none", *HERE])
    await ana.disconnect()
    await friend.disconnect()
    ana, ben = await classroom.online(number=ana.number), await classroom.online()
    await ana.sees(ben, HERE)
    await ana.sees(friend, ["roster none"])
    assert await ana.contacts() == {ben.boundjid.bare: "both", friend.boundjid.bare: "none"}
    noted = ana.client_roster[friend.boundjid.bare]
    assert (noted["name"], noted["groups"]) == ("Inés", ["Friends"])
    assert await ben.contacts() == {ana.boundjid.bare: "both"}


@in_classroom
async def test_a_deleted_account_vanishes_and_comes_back_as_a_new_child(classroom: Classroom) -> None:
    """A laptop that is given away leaves nothing; the name may be made again."""
    ana, ben = await classroom.online(), await classroom.online()
    await ben.publish(BUDDY, buddy(COLOUR))
    await ana.until(lambda: ana.items_of(ben, BUDDY), "the colour")
    await ben.plugin["xep_0077"].cancel_registration()
    await ana.sees(ben, HERE + GONE)
    assert await ana.contacts() == {}
    again = await classroom.online(number=ben.number)
    assert again.refusal is None
    await ana.sees(again, HERE + GONE + HERE)
    with pytest.raises(IqError) as missing:
        await ana.plugin["xep_0060"].get_items(again.boundjid.bare, BUDDY)
    assert missing.value.condition == "item-not-found"


@in_classroom
async def test_a_child_that_changes_its_name_is_renamed(classroom: Classroom) -> None:
    """Those who are there hear of it, those who come know no other, and nobody's roster changes."""
    ana, ben = await classroom.online(), await classroom.online()
    names = [f"<nick xmlns='{NICK}'>{name}</nick>" for name in ("María", "Mariana")]
    for name in names:
        await ben.publish(NICK, name)
    await ana.until(lambda: len(ana.items_of(ben, NICK)) == len(names), "both names")
    assert ana.items_of(ben, NICK) == [canonical(name) for name in names]
    await ana.sees(ben, HERE)
    eva = await classroom.online()
    await eva.until(lambda: eva.items_of(ben, NICK), "the name")
    assert eva.items_of(ben, NICK) == [canonical(names[1])]
