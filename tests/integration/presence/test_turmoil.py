"""All at once, drawn by lot: laptops come and go, with one stream or two, change class and colour, while modules and
settings are reloaded. Again and again each must see exactly those whom it should, and each of them once."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator

import pytest

from .conftest import RELEASES
from .laptop import Laptop
from .server import Server, running
from .test_classes import SETTINGS, Daemon
from .wire import BUDDY, CLIENT, EVENT, ROSTER, account

CHILDREN = 12
ROUNDS, ACTS = 6, 12
SECONDS = 20
MODULES = ("sugar_roster", "pep", "sugar_classes")


class Sight:
    """What a laptop has in view by all that it was sent since it came, read by Sugar's rules."""

    def __init__(self, laptop: Laptop) -> None:
        self.roster = {item.get("jid") for item in laptop.roster.iter(ROSTER + "item")}
        self.available: set[str] = set()
        self.colours: dict[str, str | None] = {}
        self.faults: list[str] = []
        for stanza in laptop.seen[laptop.seen.index(laptop.roster) + 1 :]:
            sender = stanza.get("from") or ""
            for item in stanza.iterfind(f"{ROSTER}query/{ROSTER}item"):
                self._item(item.get("jid") or "", item.get("subscription") == "both")
            if stanza.tag == CLIENT + "presence" and not sender.startswith(laptop.bare):
                self._presence(sender, stanza.get("type") is None)
            for colour in stanza.iterfind(f"{EVENT}event//{{{BUDDY}}}property"):
                if sender != laptop.bare:
                    self._colour(sender, colour.text)

    def _item(self, jid: str, is_contact: bool) -> None:
        if (jid in self.roster) == is_contact:
            self.faults.append(f"{jid} {'added' if is_contact else 'removed'} twice")
        if not is_contact and self._resources(jid):
            self.faults.append(f"{jid} removed before it left")
        (self.roster.add if is_contact else self.roster.discard)(jid)

    def _presence(self, full: str, is_here: bool) -> None:
        jid = full.partition("/")[0]
        if jid not in self.roster:
            self.faults.append(f"{jid} came or left while it was no contact")
        if is_here and full in self.available:
            self.faults.append(f"{full} came twice")
        (self.available.add if is_here else self.available.discard)(full)
        if not self._resources(jid):
            self.colours.pop(jid, None)

    def _colour(self, jid: str, colour: str | None) -> None:
        if not self._resources(jid) or self.colours.get(jid) == colour:
            self.faults.append(f"the colour of {jid} came twice, or of one who is not there")
        self.colours[jid] = colour

    def _resources(self, jid: str) -> list[str]:
        return [full for full in self.available if full.partition("/")[0] == jid]


class School:
    """Who is there, in which class and colour, and what may happen."""

    def __init__(self, server: Server, daemon: Daemon, seed: int) -> None:
        self.server, self.daemon, self.chance = server, daemon, random.Random(seed)
        self.by_class = True
        self.classes = {number: self.chance.choice("ab") for number in range(1, CHILDREN + 1)}
        self.here: dict[int, dict[str, Laptop]] = {}
        self.colours: dict[int, str] = {}
        daemon.is_heard(self._groups())

    def _groups(self) -> dict[str, list[str]]:
        return {each: [account(n)[0] for n, own in self.classes.items() if own == each] for each in "ab"}

    def act(self) -> None:
        number = self.chance.randrange(CHILDREN) + 1
        acts = (self.come_or_go, self.come_or_go, self.publish, self.change_class, self.reload, self.switch)
        self.chance.choices(acts, (3, 3, 2, 3, 1, 1))[0](number)

    def come_or_go(self, number: int) -> None:
        streams = self.here.setdefault(number, {})
        resource = self.chance.choice(("sugar", "sugar", "phone"))
        if resource in streams:
            leaver = streams.pop(resource)
            self.chance.choice((leaver.close, leaver.socket.close))()
        else:
            streams[resource] = Laptop(self.server.tls_port, self.server.domain, number, resource).online()
        if not streams:
            del self.here[number]

    def publish(self, number: int) -> None:
        for laptop in self.here.get(number, {}).values():
            self.colours[number] = f"#{self.chance.getrandbits(24):06x},#000000"
            laptop.publish(self.colours[number])

    def change_class(self, number: int) -> None:
        self.classes[number] = self.chance.choice("abc")  # "c": in none
        self.daemon.groups = self._groups()

    def reload(self, _number: int) -> None:
        assert "OK" in self.server.shell(f"module:reload('{self.chance.choice(MODULES)}')")

    def switch(self, _number: int) -> None:
        self.by_class = not self.by_class
        settings, wanted = self.server.folder / "test.conf", "class" if self.by_class else "school"
        settings.write_text(re.sub('(sugar_neighborhood =) "[a-z]*"', rf'\1 "{wanted}"', settings.read_text()))
        assert "OK" in self.server.shell("config:reload()")

    # What should be seen

    def fellows(self, number: int) -> Iterator[tuple[int, list[Laptop]]]:
        for other, streams in self.here.items():
            if other != number and (not self.by_class or self.classes[other] == self.classes[number]):
                yield other, list(streams.values())

    def wrong(self) -> list[str]:
        return [fault for number in self.here for fault in self._wrong(number)]

    def _wrong(self, number: int) -> Iterator[str]:
        fellows = dict(self.fellows(number))
        for laptop in self.here[number].values():
            laptop.settle()
            sight = Sight(laptop)
            yield from sight.faults
            due = (
                {streams[0].bare for streams in fellows.values()},
                {stream.jid for streams in fellows.values() for stream in streams},
                {s[0].bare: self.colours[other] for other, s in fellows.items() if other in self.colours},
            )
            seen = (sight.roster, sight.available, sight.colours)
            yield from (
                f"{laptop.jid} sees {is_seen}, not {is_due}"
                for is_seen, is_due in zip(seen, due, strict=True)
                if is_seen != is_due
            )


@pytest.mark.parametrize("release", RELEASES)
def test_in_all_turmoil_each_sees_exactly_its_fellows(release: str) -> None:
    with Daemon() as daemon:
        address = f'sugar_daemon = "http://127.0.0.1:{daemon.server_address[1]}/client"\n'
        with running(SETTINGS + address, command=RELEASES[release]) as server:
            school = School(server, daemon, seed=5)
            for _ in range(ROUNDS):
                for _ in range(ACTS):
                    school.act()
                deadline = time.monotonic() + SECONDS
                while faults := school.wrong():
                    assert time.monotonic() < deadline, faults
                    time.sleep(0.1)
            assert len(school.here) > CHILDREN // 4
            for streams in school.here.values():
                for laptop in streams.values():
                    laptop.close()
        daemon.shutdown()
