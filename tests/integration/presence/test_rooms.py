"""Shared activities: rooms that any laptop makes."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from .laptop import Laptop
from .server import Server
from .wire import CLIENT, Client

Fresh = Callable[..., Laptop]
MUC = "{http://jabber.org/protocol/muc}"
USER = "{http://jabber.org/protocol/muc#user}"
OWNER = "{http://jabber.org/protocol/muc#owner}"
INFO = "{http://jabber.org/protocol/disco#info}"
ITEMS = "{http://jabber.org/protocol/disco#items}"
DATA = "{jabber:x:data}"


def _room(client: Client, number: int) -> str:
    return f"{number:040x}@conference.{client.domain}"


def _enter(client: Client, room: str) -> Element:
    client.send(f"<presence to='{room}/{client.bare[:8]}'><x xmlns='{MUC[1:-1]}'/></presence>")
    return client.wait(
        lambda s: s.get("from") == f"{room}/{client.bare[:8]}" and s.tag == CLIENT + "presence", fresh=True
    )


def _statuses(presence: Element) -> set[str | None]:
    return {status.get("code") for status in presence.iter(USER + "status")}


def _features(client: Client, room: str) -> set[str | None]:
    answer = client.iq("get", f"<query xmlns='{INFO[1:-1]}'/>", to=room)
    return {feature.get("var") for feature in answer.iter(INFO + "feature")}


def test_a_new_room_is_open_hidden_temporary_and_shows_who_is_who(laptop: Fresh) -> None:
    first, second = laptop().online(), laptop().online()
    room = _room(first, 1)
    assert {"100", "110", "201"} <= _statuses(_enter(first, room))
    assert {"muc_nonanonymous", "muc_hidden", "muc_temporary", "muc_open"} <= _features(second, room)
    assert "201" not in _statuses(_enter(second, room))
    seen = second.wait(lambda s: s.get("from") == f"{room}/{first.bare[:8]}")
    assert [item.get("jid") for item in seen.iter(USER + "item")] == [first.jid]
    listed = second.iq("get", f"<query xmlns='{ITEMS[1:-1]}'/>", to=f"conference.{second.domain}")
    assert list(listed.iter(ITEMS + "item")) == []


def test_the_owner_configures_the_room_as_gabble_does(laptop: Fresh) -> None:
    owner = laptop().online()
    room = _room(owner, 2)
    _enter(owner, room)
    form = owner.iq("get", f"<query xmlns='{OWNER[1:-1]}'/>", to=room)
    wanted = {"whois": "anyone", "membersonly": "0", "persistentroom": "0", "publicroom": "0"}
    offered = {field.get("var") for field in form.iter(DATA + "field")}
    assert {f"muc#roomconfig_{name}" for name in wanted} <= offered
    fields = "".join(
        f"<field var='muc#roomconfig_{name}'><value>{value}</value></field>" for name, value in wanted.items()
    )
    answer = owner.iq(
        "set",
        f"<query xmlns='{OWNER[1:-1]}'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        f"<value>http://jabber.org/protocol/muc#roomconfig</value></field>{fields}</x></query>",
        to=room,
    )
    assert answer.get("type") == "result"
    assert {"muc_nonanonymous", "muc_hidden", "muc_temporary", "muc_open"} <= _features(owner, room)


def test_large_messages_and_properties_pass_unchanged(laptop: Fresh) -> None:
    first, second = laptop().online(), laptop().online()
    room = _room(first, 3)
    _enter(first, room)
    _enter(second, room)
    body = "j" * (64 * 1024)
    first.send(
        f"<message type='groupchat' to='{room}' id='large'><body>{body}</body>"
        "<properties xmlns='http://laptop.org/xmpp/activity-properties' activity='1' room='r'>"
        "<property name='color' type='str'>#FFFFFF</property></properties></message>"
    )
    message = second.wait(lambda s: s.tag == CLIENT + "message" and s.get("id") == "large")
    assert message.findtext(CLIENT + "body") == body
    assert message.findtext(".//{http://laptop.org/xmpp/activity-properties}property") == "#FFFFFF"


def test_a_room_is_gone_with_the_last_one_in_it(laptop: Fresh, server: Server) -> None:
    first, second = laptop().online(), laptop().online()
    room = _room(first, 4)
    _enter(first, room)
    first.socket.close()
    second.wait(lambda s: s.get("from") == first.jid and s.get("type") == "unavailable")
    assert "201" in _statuses(_enter(second, room))
    assert not [path for path in server.folder.glob("data/conference*/**/*") if path.is_file()]


def test_more_rooms_than_a_default_server_holds(laptop: Fresh) -> None:
    client = laptop().online()
    for number in range(120):
        assert "201" in _statuses(_enter(client, _room(client, 1000 + number)))
