"""What Sugar's client needs to connect, to register and to find what the server offers.

The lines are those of telepathy-gabble's and Sugar's source, and of desktops that were watched; the client library
is not ours.
"""

from __future__ import annotations

import ssl
import subprocess
from xml.etree import ElementTree

import pytest
from slixmpp.xmlstream.stanzabase import StanzaBase

from .child import HERE, Child
from .classroom import Classroom, in_classroom
from .published import COLOUR, buddy
from .server import PACKAGE, Server
from .wire import BUDDY, REGISTER, ROSTER, tls

# The account's connection


def test_the_ports_are_5222_and_5223() -> None:
    """Sugar sets 5223 and TLS from the first byte, and looks up no service record; other clients know 5222."""
    script = "dofile(arg[1]) print(#c2s_ports, c2s_ports[1], #c2s_direct_tls_ports, c2s_direct_tls_ports[1])"
    settings = str(PACKAGE / "config" / "sugar.cfg.lua")
    printed = subprocess.run(
        ["lua5.4", "-", settings], input=script, check=True, capture_output=True, text=True, timeout=10
    ).stdout
    assert printed.split() == ["1", "5222", "1", "5223"]


@in_classroom
async def test_tls_from_the_first_byte_is_not_1_3(classroom: Classroom) -> None:
    """With GnuTLS >= 3.6 the client stands still after the features of a stream in TLS 1.3."""
    ana = await classroom.online()
    assert ana.socket.version() == "TLSv1.2"


@in_classroom
async def test_a_client_that_insists_on_tls_1_3_is_refused(classroom: Classroom) -> None:
    """For nothing on that port may speak it."""
    child = Child(classroom.server, context=tls(minimum=ssl.TLSVersion.TLSv1_3))
    child.connect(*child.address)
    error = await child.wait_until("connection_failed", 10)
    child.cancel_connection_attempt()
    assert isinstance(error, ssl.SSLError)


@in_classroom
async def test_the_other_port_is_the_same_server_after_starttls(classroom: Classroom) -> None:
    """Children with other clients are buddies, too."""
    ana, ben = await classroom.online(), await classroom.online(direct=False)
    assert ben.socket.version() == "TLSv1.2"
    await ana.sees(ben, HERE)
    await ben.sees(ana, HERE)


# Registration in the stream


@in_classroom
async def test_the_form_asks_for_username_and_password_and_nothing_else(classroom: Classroom) -> None:
    """A field for mail, a data form or an address of a page makes the client give up."""
    ana = await classroom.logged_in()
    assert ana.form is not None
    asked = [field.tag for field in ana.form.iterfind(REGISTER + "query/*")]
    assert sorted(set(asked) - {REGISTER + "instructions"}) == [REGISTER + "password", REGISTER + "username"]
    assert not {field.tag for field in ana.form.iter()} & {"{jabber:x:data}x", "{jabber:x:oob}x", REGISTER + "email"}
    assert ana.refusal is None


@in_classroom
async def test_who_has_an_account_hears_of_a_conflict_and_logs_in(classroom: Classroom) -> None:
    """Sugar registers again at its next start; by nothing but `conflict` it learns that it need not any more."""
    first = await classroom.online()
    await first.disconnect()
    again = await classroom.online(number=first.number)
    assert again.refusal is not None
    assert (again.refusal["type"], again.refusal["condition"]) == ("cancel", "conflict")
    assert again.boundjid.bare == first.boundjid.bare


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1"])
def test_old_and_new_clients_find_a_way_to_log_in(server: Server, mechanism: str) -> None:
    """The first clients know PLAIN, later ones SCRAM-SHA-1."""

    @in_classroom
    async def log_in(classroom: Classroom) -> None:
        child = await classroom.logged_in(mechanism=mechanism)
        assert child.plugin["feature_mechanisms"].mech.name == mechanism

    log_in(server)


# What the server offers


@in_classroom
async def test_pep_is_announced(classroom: Classroom) -> None:
    """Without this identity the client does without colours and shared activities; without any answer it hangs up."""
    ana = await classroom.online()
    own = await ana.plugin["xep_0030"].get_info(ana.boundjid.bare)
    assert ("pubsub", "pep") in {identity[:2] for identity in own["disco_info"]["identities"]}
    domain = await ana.plugin["xep_0030"].get_info(ana.boundjid.host)
    assert ("server", "im") in {identity[:2] for identity in domain["disco_info"]["identities"]}


@in_classroom
async def test_rooms_are_found_through_the_domain(classroom: Classroom) -> None:
    """Otherwise the client takes a public service, which a school without Internet cannot reach."""
    ana = await classroom.online()
    items = await ana.plugin["xep_0030"].get_items(ana.boundjid.host)
    found = []
    for jid, _, _ in items["disco_items"]["items"]:
        info = (await ana.plugin["xep_0030"].get_info(jid))["disco_info"]
        if ("conference", "text") in {identity[:2] for identity in info["identities"]}:
            assert "http://jabber.org/protocol/muc" in info["features"]
            found.append(jid)
    assert found == [f"conference.{ana.boundjid.host}"]


@in_classroom
async def test_answers_to_requests_without_to_have_a_sender(classroom: Classroom) -> None:
    """An empty sender confuses the client."""
    ana = await classroom.online()
    requests: list[StanzaBase] = [ana.make_iq_get(queryxmlns=ROSTER[1:-1])]
    for payload in ("<vCard xmlns='vcard-temp'/>", "<query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query>"):
        requests.append(ana.make_iq_get())
        requests[-1].append(ElementTree.fromstring(payload))
    requests.append(ana.make_iq_get(queryxmlns="http://jabber.org/protocol/disco#info"))
    requests.append(ana.make_iq_get(queryxmlns="http://jabber.org/protocol/disco#items"))
    requests.append(ana.make_iq_set())
    requests[-1]["pubsub"]["publish"]["node"] = BUDDY
    requests[-1]["pubsub"]["publish"]["item"]["payload"] = ElementTree.fromstring(buddy(COLOUR))
    for request in requests:
        assert request["to"] == ""
        assert (await ana.ask(request)).get("from") == ana.boundjid.bare, request
