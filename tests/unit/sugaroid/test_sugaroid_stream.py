"""The XMPP stream: stanzas out of arbitrary pieces, and nothing out of hostile ones."""

from __future__ import annotations

import base64
import random

import pytest
from sugaroid.errors import PresenceError
from sugaroid.xmpp import caps, names, payloads
from sugaroid.xmpp.names import tag
from sugaroid.xmpp.register import check_form
from sugaroid.xmpp.sasl import Scram
from sugaroid.xmpp.stream import MAXIMUM_STANZA_BYTES, StreamParser

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'"
    b" id='x' from='lima' version='1.0'>"
)
STANZAS = (
    "<message from='a@lima'><body>¡Hola! &lt;&amp;&gt; 🐢</body></message>\n \n"
    "<iq type='result' id='q1'><query xmlns='jabber:iq:roster'><item jid='b@lima'/>tail</query></iq>"
    "<presence from='b@lima/sugar'/>"
).encode()


def _open() -> StreamParser:
    parser = StreamParser()
    assert parser.feed(HEADER) == []
    return parser


@pytest.mark.parametrize("seed", range(20))
def test_stanzas_from_any_pieces(seed: int) -> None:
    chance, parser, found = random.Random(seed), StreamParser(), []
    data = HEADER + STANZAS + b"</stream:stream>"
    while data:
        size = chance.randrange(1, 60)
        found += parser.feed(data[:size])
        data = data[size:]

    assert parser.header is not None
    assert parser.header["from"] == "lima"
    assert [stanza.tag for stanza in found] == [f"{{jabber:client}}{name}" for name in ("message", "iq", "presence")]
    assert found[0][0].text == "¡Hola! <&> 🐢"
    assert found[1][0].tag == "{jabber:iq:roster}query"
    assert found[1][0][0].get("jid") == "b@lima"
    assert found[1][0][0].tail == "tail"
    assert parser.closed


@pytest.mark.parametrize(
    "hostile",
    [
        b"<!DOCTYPE x [<!ENTITY lol 'lol'>]>",
        b"<!-- comment -->",
        b"<?php echo 1 ?>",
        b"<message>&lol;</message>",
        b"<message></presence>",
        b"<message\x00/>",
        b"\xff\xfe",
        b"<a>" * 70,
    ],
)
def test_hostile_stanzas_end_the_stream(hostile: bytes) -> None:
    with pytest.raises(PresenceError):
        _open().feed(hostile)


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"<html xmlns='http://etherx.jabber.org/streams'>",
        b"<?xml version='1.0'?><!DOCTYPE s [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><stream:stream a='&b;'>",
    ],
)
def test_what_is_no_stream(start: bytes) -> None:
    with pytest.raises(PresenceError):
        StreamParser().feed(start)


def test_an_endless_stanza_is_cut() -> None:
    parser = _open()
    parser.feed(b"<message><body>")
    with pytest.raises(PresenceError, match="more than"):
        for _ in range(MAXIMUM_STANZA_BYTES // 65536 + 1):
            parser.feed(b"x" * 65536)


def test_keepalives_for_ever_are_no_stanza() -> None:
    parser = _open()
    for _ in range(MAXIMUM_STANZA_BYTES // 65536 + 2):
        assert parser.feed(b" " * 65536) == []
    assert len(parser.feed(b"<presence/>")) == 1


def test_text_is_escaped_and_what_xml_forbids_replaced() -> None:
    text = tag("body", {"a": "\"'<", "b": None}, text="<&>\x00\x1b")
    (stanza,) = _open().feed(f"<message>{text}</message>".encode())

    assert stanza[0].get("a") == "\"'<"
    assert stanza[0].get("b") is None
    assert stanza[0].text == "<&>\ufffd\ufffd"


def test_scram_as_in_rfc_5802() -> None:
    scram = Scram("user", "pencil", "fyko+d2lbbFgONRv9qkxdawL")

    assert scram.first() == b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"
    challenge = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
    assert scram.final(challenge) == (
        b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    )
    scram.check(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")
    with pytest.raises(PresenceError, match="without knowing the password"):
        scram.check(b"v=AAAApqV8S7suAoZWja4dJRkFsKQ=")


@pytest.mark.parametrize(
    "challenge",
    [b"", b"r=other,s=QSXC,i=4096", b"r=abc,s=QSXC,i=4096", b"r=abcd,s=QSXC,i=999999999", b"r=abcd,s=?,i=1"],
)
def test_scram_of_a_strange_server(challenge: bytes) -> None:
    with pytest.raises(PresenceError):
        Scram("user", "pencil", "abc").final(challenge)


def test_caps_as_in_xep_0115() -> None:
    # Section 5.2, the simple example.
    features = ("http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items")
    features = (*features, "http://jabber.org/protocol/muc", "http://jabber.org/protocol/caps")

    assert caps.version(("client", "pc", "", "Exodus 0.9.1"), features) == "QgayPKawpkPSDYmwT/WM94uAlu0="


def test_caps_ask_for_every_node_of_sugar() -> None:
    for node in ("buddy-properties", "activities", "current-activity", "activity-properties"):
        assert f"http://laptop.org/xmpp/{node}+notify" in caps.FEATURES


def test_the_key_is_base64_twice() -> None:
    pubkey = b"AAAAB3NzaC1kc3MAAACB"
    text = payloads.properties_element({"color": "#FF2B34,#00588C", "key": pubkey})

    assert text == (
        '<properties xmlns="http://laptop.org/xmpp/buddy-properties">'
        '<property name="color" type="str">#FF2B34,#00588C</property>'
        f'<property name="key" type="bytes">{base64.b64encode(pubkey).decode()}</property></properties>'
    )
    (stanza,) = _open().feed(f"<message>{text}</message>".encode())
    assert payloads.read_properties(stanza[0]) == {"color": "#FF2B34,#00588C", "key": pubkey}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bool", "1", True),
        ("bool", "0", False),
        ("int", "-7", -7),
        ("uint", "7", 7),
        ("bytes", "QUJD\n RA==", b"ABCD"),
        ("bytes", "?", None),
        ("int", "9" * 5000, None),
        ("bool", "maybe", None),
        ("martian", "x", None),
    ],
)
def test_property_types(kind: str, text: str, value: object) -> None:
    element = f"<properties xmlns='{names.ACTIVITY_PROPERTIES}'><property name='p' type='{kind}'>{text}</property>"
    (stanza,) = _open().feed(f"<message>{element}</properties></message>".encode())

    assert payloads.read_properties(stanza[0]) == ({} if value is None else {"p": value})


def test_the_registration_form_that_sugar_understands() -> None:
    check_form(_form("<instructions>x</instructions><username/><password/>"))
    check_form(_form("<username/><password/><email/>"))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("<username/><password/><x xmlns='jabber:x:data' type='form'/>", "<jabber:x:data> x"),
        ("<username/><password/><x xmlns='jabber:x:oob'/>", "<jabber:x:oob> x"),
        ("<username/><password/><registered/>", "registered"),
        ("<username/>", "does not ask for password"),
        ("", "does not ask for password, username"),
    ],
)
def test_forms_at_which_sugar_gives_up(fields: str, why: str) -> None:
    with pytest.raises(PresenceError, match=why):
        check_form(_form(fields))


def _form(fields: str):
    (stanza,) = _open().feed(f"<iq type='result'><query xmlns='jabber:iq:register'>{fields}</query></iq>".encode())
    return stanza
