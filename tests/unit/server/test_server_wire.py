"""XML-RPC: what Python's own client sends is understood, whatever else comes is refused safely."""

from __future__ import annotations

import xmlrpc.client

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sugar_server.registration.wire import Malformed, accepted, decode, refused

CALL = xmlrpc.client.dumps(("SHC00700123", "Ñusta <&>", "uuid", "key"), "register").encode()


def test_a_call_as_python_makes_it():
    call = decode(CALL)
    assert (call.method, call.arguments) == ("register", ("SHC00700123", "Ñusta <&>", "uuid", "key"))


def test_types_are_kept():
    assert decode(xmlrpc.client.dumps((1, None), "m", allow_none=True).encode()).arguments == (1, None)
    assert decode(b"<methodCall><methodName>m</methodName></methodCall>").arguments == ()
    bare = b"<methodCall><methodName>m</methodName><params><param><value>x</value></param></params></methodCall>"
    assert decode(bare).arguments == ("x",)


@pytest.mark.parametrize("nick", ["", "a" * 500, "😀 𝄞", "]]>", "&amp;", "  x  ", "\t", "ਪੰਜਾਬੀ"])
def test_nicks_come_through(nick):
    body = xmlrpc.client.dumps(("s", nick, "u", "k"), "register").encode("utf-8", "xmlcharrefreplace")
    assert decode(body).arguments[1] == nick


@pytest.mark.parametrize("nick", ["\0", "a\x0bb", "\x1b[31m", "\ufffe", "\ud83d"])
def test_characters_that_xml_forbids_do_not_keep_a_child_out(nick):
    """Python's client sends them as they are."""
    body = xmlrpc.client.dumps(("s", nick, "u", "k"), "register").encode("utf-8", "xmlcharrefreplace")
    assert "\ufffd" in decode(body).arguments[1]


def test_latin_1():
    body = b"<?xml version='1.0' encoding='iso-8859-1'?>" + CALL.split(b"?>", 1)[1].decode().encode("latin-1")
    assert decode(body).arguments[1] == "Ñusta <&>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"hello",
        b"<html/>",
        b"<methodCall></methodCall>",
        CALL[:-20],
        CALL + b"x",
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + CALL.split(b"?>", 1)[1],
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + CALL.split(b"?>", 1)[1],
        b"<a>" * 100 + b"</a>" * 100,
        b"<methodCall><methodName>m</methodName><params>"
        + b"<value><array><data>" * 5000
        + b"</data></array></value>" * 5000
        + b"</params></methodCall>",
        b"<methodCall><methodName>m</methodName><params><param><value><int>x</int></value></param></params></methodCall>",
        CALL.decode().encode("utf-16"),
        xmlrpc.client.dumps(("x",), methodresponse=True).encode(),
        xmlrpc.client.dumps(xmlrpc.client.Fault(1, "x")).encode(),
        b"\x1f\x8b" + bytes(100),
    ],
)
def test_what_is_no_call(body):
    with pytest.raises(Malformed):
        decode(body)


@given(st.integers(0, len(CALL)), st.binary(max_size=30))
def test_any_damage_is_a_call_or_malformed(at, patch):
    try:
        assert decode(CALL[:at] + patch + CALL[at + len(patch) :]).method is not None
    except Malformed as error:
        assert str(error)


def test_replies_are_structs_of_strings():
    members = {"success": "OK", "jabberserver": "a.b", "backupurl": "x@a.b:datastore-current"}
    assert xmlrpc.client.loads(accepted("a.b", "x@a.b:datastore-current")) == ((members,), None)
    assert xmlrpc.client.loads(refused("a\0<b")) == (({"success": "ERR", "error": "a\ufffd<b"},), None)
