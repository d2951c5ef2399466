"""What many laptops that come online together have in common: it is worked out once, and stays right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from xml.etree.ElementTree import Element, tostring

import pytest

from .conftest import Fresh
from .laptop import CAPS, DISCO, Laptop
from .server import Server, running
from .wire import Client, condition

INFO, ITEMS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items"
RED = "#FF0000,#AA0000"


@pytest.fixture
def own() -> Iterator[Server]:
    """A server to which nobody has come yet."""
    with running() as server:
        yield server


def _features(answer: Element) -> set[str | None]:
    return {each.get("var") for each in answer.iter(DISCO + "feature")}


@pytest.mark.parametrize("xmlns", [INFO, ITEMS])
def test_each_gets_the_same_answer_addressed_to_it(server: Server, laptop: Fresh, xmlns: str) -> None:
    answers = []
    for each in (laptop(), laptop()):
        answer = each.iq("get", f"<query xmlns='{xmlns}'/>", to=server.domain)
        assert (answer.get("type"), answer.get("from"), answer.get("to")) == ("result", server.domain, each.jid)
        answers.append(tostring(answer[0]))
    assert answers[0] == answers[1]


def test_names_of_questions_come_back_as_they_were(server: Server, laptop: Fresh) -> None:
    ana = laptop()
    ana.send(f"<iq type='get' id='&lt;&apos;&amp;' to='{server.domain}'><query xmlns='{INFO}'/></iq>")
    assert ana.wait(lambda stanza: stanza.get("id") == "<'&").get("type") == "result"


def test_other_questions_go_their_usual_way(server: Server, laptop: Fresh) -> None:
    ana = laptop()
    unknown = ana.iq("get", f"<query xmlns='{INFO}' node='urn:none'/>", to=server.domain)
    assert condition(unknown) == "item-not-found"
    own = ana.iq("get", f"<query xmlns='{INFO}'/>", to=ana.bare)
    assert ("pubsub", "pep") in {(each.get("category"), each.get("type")) for each in own.iter(DISCO + "identity")}
    assert ana.iq("set", f"<query xmlns='{INFO}'/>", to=server.domain).get("type") == "error"


def test_what_a_module_adds_is_told_within_moments(server: Server, laptop: Fresh) -> None:
    ana = laptop()
    question = f"<query xmlns='{INFO}'/>"
    assert "urn:xmpp:blocking" not in _features(ana.iq("get", question, to=server.domain))
    server.shell(f'module:load("blocklist", "{server.domain}")')
    deadline = time.monotonic() + 30
    while "urn:xmpp:blocking" not in _features(ana.iq("get", question, to=server.domain)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    server.shell(f'module:unload("blocklist", "{server.domain}")')


def _announce(laptop: Laptop) -> None:
    """Shows itself with its capabilities, and answers nothing yet."""
    laptop.iq("get", "<query xmlns='jabber:iq:roster'/>")
    caps = f"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:laptop' ver='{CAPS}'/>"
    laptop.send(f"<presence>{caps}</presence>")
    Client.settle(laptop)


def _publisher(server: Server) -> Laptop:
    """A buddy that wants to hear of nobody's colours."""
    ana = Laptop(server.tls_port, server.domain, 1)
    ana.send("<presence/>")
    ana.publish(RED)
    return ana


def _waits_for_colours(laptop: Laptop, of: Laptop) -> None:
    laptop.wait(lambda stanza: stanza.get("from") == of.bare and RED in tostring(stanza, "unicode"), seconds=30)


def test_one_answer_serves_all_with_the_same_capabilities(own: Server) -> None:
    """The one that was asked first is slow; the next one's answer counts for both."""
    ana, slow, quick = _publisher(own), *(Laptop(own.tls_port, own.domain, number) for number in (2, 3))
    _announce(slow)
    assert not any(RED in tostring(stanza, "unicode") for stanza in slow.seen)
    quick.online()
    for each in (quick, slow):
        _waits_for_colours(each, ana)


def test_who_is_not_asked_otherwise_is_asked_after_a_moment(own: Server) -> None:
    """mod_pep knows these capabilities, and mod_sugar_roster was loaded after it had asked for them."""
    ana = _publisher(own)
    Laptop(own.tls_port, own.domain, 2).online()
    assert "OK" in own.shell(f'module:reload("sugar_roster", "{own.domain}")')
    late = Laptop(own.tls_port, own.domain, 3)
    _announce(late)
    late.wait(lambda stanza: stanza.get("id") == "sugar-caps", seconds=30)
    late.settle()
    _waits_for_colours(late, ana)
