"""Neighborhoods by class: the daemon says who is in which, and while it is away everybody sees everybody."""

from __future__ import annotations

import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from .conftest import RELEASES
from .laptop import Laptop
from .server import Server, running
from .wire import Client, account, condition

HERE, GONE = ["roster both", "available"], ["unavailable", "roster remove"]
SETTINGS = """
sugar_neighborhood = "class"
sugar_classes_seconds = 0.2
"""


class Daemon(http.server.ThreadingHTTPServer):
    """Answers as the school server's daemon does at /client/groups and /client/find."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.groups: dict[str, list[str]] | None = {}
        self.registered: set[str] = set()
        self.asked = 0
        """How often it was asked for the classes."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def is_heard(self, groups: dict[str, list[str]]) -> None:
        """From now on these are the classes, and the server knows it."""
        self.groups, asked, deadline = groups, self.asked, time.monotonic() + 20
        while self.asked < asked + 2:  # what was answered before the second question has been taken in
            assert time.monotonic() < deadline, "nobody asks for the classes"
            time.sleep(0.05)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Daemon

    def do_GET(self) -> None:
        path, _, account = self.path.partition("?account=")
        answers: dict[str, dict[str, object] | None] = {
            "/client/groups": None if self.server.groups is None else {"groups": self.server.groups},
            "/client/find": {"registered": account in self.server.registered},
        }
        answer = answers[path]
        self.server.asked += path == "/client/groups"
        body = json.dumps({"success": "OK", **(answer or {})}).encode()
        self.send_response(200 if answer else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as daemon:
        yield daemon
        daemon.shutdown()


@pytest.fixture(scope="module")
def school(request: pytest.FixtureRequest, daemon: Daemon) -> Iterator[Server]:
    address = f'sugar_daemon = "http://127.0.0.1:{daemon.server_address[1]}/client"\n'
    release = RELEASES[request.param]
    with running(SETTINGS + address, command=release, presence__accounts="registered") as server:
        yield server


@pytest.fixture
def child(school: Server, daemon: Daemon) -> Iterator[Callable[[int], Laptop]]:
    laptops: list[Laptop] = []

    def new(number: int) -> Laptop:
        daemon.registered.add(account(number)[0])
        laptops.append(Laptop(school.tls_port, school.domain, number).online())
        return laptops[-1]

    yield new
    for laptop in laptops:
        laptop.close()


def _until(laptop: Laptop, other: Laptop, story: list[str]) -> None:
    deadline = time.monotonic() + 10
    while laptop.story_of(other) != story and time.monotonic() < deadline:
        time.sleep(0.05)
    assert laptop.story_of(other) == story


def test_classes_are_switched_while_laptops_are_there(child: Callable[[int], Laptop], daemon: Daemon) -> None:
    here, gone = HERE, GONE
    daemon.is_heard({"a": [account(1)[0], account(2)[0]], "b": [account(3)[0]]})
    first, second, third, teacher = map(child, (1, 2, 3, 4))
    _until(first, second, here)
    _until(second, first, here)
    assert first.publish("#111111,#222222").get("type") == "result"
    for laptop in (first, second):
        assert laptop.story_of(third) == laptop.story_of(teacher) == []
        assert third.story_of(laptop) == teacher.story_of(laptop) == []
    assert second.colours_of(first) == ["#111111,#222222"]
    assert third.colours_of(first) == []

    daemon.groups = {"a": [account(1)[0]], "b": [account(2)[0], account(3)[0]]}
    _until(first, second, here + gone)
    _until(second, first, here + gone)
    _until(second, third, here)
    _until(third, second, here)
    assert first.story_of(third) == []

    daemon.groups = None  # it is away
    for one, other in ((first, second), (second, first)):
        _until(one, other, here + gone + here)
    for one, other in ((first, third), (third, first), (teacher, first), (teacher, second), (teacher, third)):
        _until(one, other, here)
    assert second.story_of(third) == here  # they have been together all the time
    assert third.story_of(second) == here
    third.settle()
    assert third.colours_of(first) == ["#111111,#222222"]


def test_reloading_any_of_the_modules_shows_and_hides_nobody(
    child: Callable[[int], Laptop], daemon: Daemon, school: Server
) -> None:
    classes = {"a": [account(11)[0], account(12)[0], account(14)[0]], "b": [account(13)[0]]}
    daemon.is_heard(classes)
    first, second, third = map(child, (11, 12, 13))
    _until(first, second, HERE)
    for module in ("sugar_classes", "pep", "sugar_roster"):
        assert "OK" in school.shell(f"module:reload('{module}')")
        daemon.is_heard(classes)
        assert first.story_of(second) == second.story_of(first) == HERE, module
        assert third.story_of(first) == first.story_of(third) == [], module
    late = child(14)
    _until(first, late, HERE)
    _until(late, second, HERE)
    assert late.story_of(third) == third.story_of(late) == []


def test_classes_are_switched_on_and_off_while_laptops_are_there(
    child: Callable[[int], Laptop], daemon: Daemon, school: Server
) -> None:
    daemon.is_heard({"a": [account(21)[0], account(22)[0]], "b": [account(23)[0]]})
    first, second, third = map(child, (21, 22, 23))
    settings = school.folder / "test.conf"
    story: list[str] = []
    for neighborhood, news in (("school", HERE), ("class", GONE), ("school", HERE), ("class", GONE)):
        written = settings.read_text()
        settings.write_text(re.sub('(sugar_neighborhood =) "[a-z]*"', rf'\1 "{neighborhood}"', written))
        assert "OK" in school.shell("config:reload()")
        story += news
        for one, other in ((first, third), (third, first), (second, third), (third, second)):
            _until(one, other, story)
    assert first.story_of(second) == second.story_of(first) == HERE  # they have been together all the time


def test_accounts_are_for_registered_laptops(school: Server, daemon: Daemon) -> None:
    name, password = account(50)
    client = Client(school.tls_port, school.domain)
    assert condition(client.register(name, password)) == "forbidden"
    assert not [path for path in school.stored("accounts") if name in path.name]
    daemon.registered.add(name)
    assert client.register(name, password).get("type") == "result"
    daemon.registered.discard(name)
    again = Client(school.tls_port, school.domain)
    assert condition(again.register(name, password)) == "conflict"  # or it would not log in


def test_nobody_registers_while_the_daemon_is_away() -> None:
    nowhere = 'sugar_daemon = "http://127.0.0.1:9/client"'
    with running(nowhere, presence__accounts="registered") as server:
        client = Client(server.tls_port, server.domain)
        assert condition(client.register(*account(51))) == "resource-constraint"
        assert server.stored("accounts") == []


def test_accounts_are_made_from_the_lan_only() -> None:
    with running('interfaces = { "127.0.0.1", "127.0.0.2" }', presence__networks=["127.0.0.3/32"]) as server:
        from_server = Client(server.tls_port, server.domain)
        assert from_server.register(*account(52)).get("type") == "result"
        from_lan = Client(server.tls_port, server.domain, source="127.0.0.3")
        assert from_lan.register(*account(53)).get("type") == "result"
        from_uplink = Client(server.tls_port, server.domain, source="127.0.0.4")
        assert condition(from_uplink.register(*account(54))) == "forbidden"
        from_uplink.login(*account(53))  # an account that it has is of use from everywhere
