"""Laptops that send nonsense, or in the name of others: nobody else suffers for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from .conftest import RELEASES
from .laptop import Laptop
from .server import Server, running
from .wire import BUDDY


@pytest.fixture(scope="module")
def school(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running('limits = { c2s = { rate = "50mb/s" } }', command=RELEASES[request.param]) as server:
        yield server


def _online(server: Server, number: int) -> Laptop:
    return Laptop(server.tls_port, server.domain, number).online()


@pytest.mark.parametrize(
    "sent",
    [
        b"<message><body>\xff\xfe\xc3</body></message>",
        b"<presence><status>\x01</status></presence>",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><presence/>",
        b"<presence from='somebody",
        b"<message><body>" + b"x" * 300_000 + b"</body></message>",
        b"</stream:stream>" * 3,
    ],
    ids=["bad UTF-8", "control character", "entity", "unclosed", "huge", "ends"],
)
def test_nonsense_ends_its_own_stream_at_most(school: Server, sent: bytes) -> None:
    number = 100 + sum(sent) % 800
    hostile, watcher = _online(school, number), _online(school, 99)
    hostile.socket.sendall(sent)
    hostile.socket.sendall(b"\n" * 10)
    if sent.startswith(b"<presence from"):
        hostile.socket.close()
    watcher.until_gone(hostile)
    assert watcher.publish("#FFFFFF,#000000").get("type") == "result"
    watcher.close()
    assert "Traceback" not in (school.folder / "log").read_text()


def test_what_is_nested_as_deep_as_a_stanza_allows_harms_nobody(school: Server) -> None:
    """In all that others are told, and that is kept for those who come."""
    levels = 120 * 1024 // len("<a></a>")
    deep = "<a>" * levels + "</a>" * levels
    hostile, watcher = _online(school, 51), _online(school, 52)
    item = f"<publish node='{BUDDY}'><item><x xmlns='urn:x'>{deep}</x></item></publish>"
    for stanza in (
        f"<presence id='deep'>{deep}</presence>",
        f"<message id='deep' to='{watcher.jid}'>{deep}</message>",
        f"<iq type='get' id='deep' to='{watcher.jid}'>{deep}</iq>",
        f"<iq type='set' id='deep'><pubsub xmlns='http://jabber.org/protocol/pubsub'>{item}</pubsub></iq>",
    ):
        with contextlib.suppress(OSError):  # its stream may be ended for it
            hostile.send(stanza)
            hostile.settle()
        watcher.settle()
        hostile.socket.close()
        watcher.until_gone(hostile)
        watcher.seen.clear()
        hostile = _online(school, 51)
        watcher.until_here(hostile)
    assert "OK" in school.shell("module:reload('sugar_roster')")
    late = _online(school, 53)
    late.until_here(hostile)
    watcher.until_here(late)
    for laptop in (hostile, watcher, late):
        laptop.close()


def test_nobody_speaks_in_the_name_of_another(school: Server) -> None:
    forger, victim, other = (_online(school, number) for number in (31, 32, 33))
    victim.settle()
    push = f"<query xmlns='jabber:iq:roster'><item jid='{other.bare}' subscription='remove'/></query>"
    forger.send(f"<iq type='set' id='forged' to='{victim.jid}' from='{victim.bare}'>{push}</iq>")
    forger.send(f"<presence type='unavailable' from='{other.jid}' to='{victim.bare}'/>")
    forger.settle()
    victim.settle()
    assert {s.get("from") for s in victim.seen if s.get("id") == "forged"} == {forger.jid}
    assert not [s for s in victim.seen if s.get("from") == other.jid and s.get("type") == "unavailable"]
    for laptop in (forger, victim, other):
        laptop.close()
