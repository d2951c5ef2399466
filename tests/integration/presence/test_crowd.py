"""Many laptops at once: each sees exactly the others, once, and forgets exactly those who left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .conftest import RELEASES
from .laptop import Laptop
from .server import Server, running
from .wire import BUDDY, CLIENT, EVENT, ROSTER

MANY = 40
COLOUR = "#00AA00,#AA0000"


@pytest.fixture(scope="module")
def school(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(command=RELEASES[request.param]) as server:
        yield server


def _arrive(server: Server, numbers: range, *, publish: bool = True) -> list[Laptop]:
    """All at once, from one address."""

    def one(number: int) -> Laptop:
        laptop = Laptop(server.tls_port, server.domain, number).online()
        if publish:
            assert laptop.publish(COLOUR).get("type") == "result"
        return laptop

    with ThreadPoolExecutor(len(numbers)) as pool:
        return list(pool.map(one, numbers))


class Seen:
    """What one laptop has seen since a moment, counted by whom it was of."""

    def __init__(self, laptop: Laptop, since: int = 0) -> None:
        stanzas = laptop.settle()[since:]
        items = [i for s in stanzas if s.tag == CLIENT + "iq" for i in s.iterfind(f"{ROSTER}query/{ROSTER}item")]
        presences = [s for s in stanzas if s.tag == CLIENT + "presence"]
        self.contacts = Counter(i.get("jid") for i in items if i.get("subscription") == "both")
        self.removed = Counter(i.get("jid") for i in items if i.get("subscription") == "remove")
        self.available = Counter(s.get("from") for s in presences if s.get("type") is None)
        self.gone = Counter(s.get("from") for s in presences if s.get("type") == "unavailable")
        events = [s for s in stanzas if s.find(f"{EVENT}event/{EVENT}items[@node='{BUDDY}']") is not None]
        self.colours = Counter(s.get("from") for s in events)
        self.addressees = {s.get("to") for s in (*presences, *events) if s.get("from") != laptop.jid}


def _wait(laptops: list[Laptop], others: list[Laptop], seconds: float = 20) -> None:
    """Until all have the presence and the colour of all the others."""
    deadline = time.monotonic() + seconds
    wanted = {other.bare for other in others}
    for laptop in laptops:
        while not wanted - {laptop.bare} <= set(Seen(laptop).colours):
            assert time.monotonic() < deadline, "somebody is not seen"
            time.sleep(0.05)


def _once(laptops: list[Laptop], besides: Laptop, attribute: str) -> Counter[str | None]:
    return Counter(getattr(laptop, attribute) for laptop in laptops if laptop is not besides)


def test_each_sees_exactly_the_others_and_forgets_exactly_those_who_leave(school: Server) -> None:
    laptops = _arrive(school, range(1, MANY + 1))
    _wait(laptops, laptops)
    for laptop in laptops:
        seen = Seen(laptop)
        assert seen.contacts == _once(laptops, laptop, "bare")
        assert seen.available == _once(laptops, laptop, "jid") + Counter([laptop.jid])  # its own comes back to it
        assert seen.colours - Counter([laptop.bare]) == _once(laptops, laptop, "bare")
        assert seen.addressees == {laptop.jid}
        assert not seen.gone + seen.removed

    staying, leaving = laptops[::2], laptops[1::2]
    before = [len(laptop.seen) for laptop in staying]
    for laptop in leaving:
        laptop.socket.close()  # as killed
    deadline = time.monotonic() + 10
    for laptop, since in zip(staying, before, strict=True):
        while len(Seen(laptop, since).removed) < len(leaving) and time.monotonic() < deadline:
            time.sleep(0.05)
        seen = Seen(laptop, since)
        assert seen.gone == Counter(other.jid for other in leaving)
        assert seen.removed == Counter(other.bare for other in leaving)
        assert not seen.contacts + seen.available + seen.colours

    before = [len(laptop.seen) for laptop in staying]
    back = _arrive(school, range(2, MANY + 1, 2))  # each publishes anew what the server still knows
    _wait(back, laptops)
    deadline = time.monotonic() + 10
    for laptop, since in zip(staying, before, strict=True):
        while len(Seen(laptop, since).colours) < len(back) and time.monotonic() < deadline:
            time.sleep(0.05)
        seen = Seen(laptop, since)
        assert seen.contacts == seen.colours == Counter(other.bare for other in back)
        assert seen.available == Counter(other.jid for other in back)
    for laptop in (*staying, *back):
        laptop.close()


def test_reloading_loses_nobody(school: Server) -> None:
    first = _arrive(school, range(101, 111))
    _wait(first, first)
    before = [len(laptop.seen) for laptop in first]
    with ThreadPoolExecutor(1) as pool:
        arriving = pool.submit(_arrive, school, range(111, 131))
        for _ in range(3):
            assert "OK" in school.shell("module:reload('sugar_roster')")
            assert "OK" in school.shell("config:reload()")
        second = arriving.result()
    everybody = [*first, *second]
    _wait(everybody, everybody)
    for laptop, since in zip(first, before, strict=True):
        seen = Seen(laptop, since)
        assert not seen.gone + seen.removed
        assert set(seen.contacts) == {other.bare for other in second}
    assert "modulemanager" not in (school.folder / "log").read_text()
    for laptop in everybody:
        laptop.close()


def test_after_a_power_cut_all_come_back(school: Server) -> None:
    laptops = _arrive(school, range(201, 221))
    _wait(laptops, laptops)
    school.kill()
    for laptop in laptops:
        with pytest.raises(OSError):
            laptop.wait(lambda _: False)
    (school.folder / "pid").unlink(missing_ok=True)
    school.start()
    back = _arrive(school, range(201, 221))
    _wait(back, back)
    for laptop in back:
        assert Seen(laptop).contacts == _once(back, laptop, "bare")
        laptop.close()


def test_those_who_are_not_there_cost_nothing(school: Server) -> None:
    laptops = _arrive(school, range(301, 304))  # of all who have an account by now
    _wait(laptops, laptops)
    for laptop in laptops:
        assert Seen(laptop).contacts == _once(laptops, laptop, "bare")
        laptop.close()
    assert not school.stored("roster")
