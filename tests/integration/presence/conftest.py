"""One Prosody for all tests of this room; each test brings laptops of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from . import trixie
from .laptop import Laptop
from .server import Server, installed, running
from .wire import Client

_numbers = itertools.count(1)

Fresh = Callable[..., Laptop]


RELEASES = {"installed": installed, "trixie": trixie.command}
ON_BOTH = ("bounds", "classes", "conformance", "crowd", "hostile", "mishaps", "neighborhood", "rooms", "stream")
"""Tests of these are run against both releases of Prosody."""
SCOPES = {"server": "session", "school": "module"}
"""The servers that they use, by the name of the fixture."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The same tests, with the next release's server."""
    name = metafunc.module.__name__.rpartition(".test_")[2]
    for fixture, scope in SCOPES.items():
        if fixture in metafunc.fixturenames and name.startswith(ON_BOTH):
            metafunc.parametrize(fixture, list(RELEASES), indirect=True, scope=scope)


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(command=RELEASES[getattr(request, "param", "installed")]) as server:
        yield server


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[[], Client]]:
    """Opens streams that nobody has logged in on."""
    clients: list[Client] = []

    def new() -> Client:
        clients.append(Client(server.tls_port, server.domain))
        return clients[-1]

    yield new
    for client in clients:
        client.socket.close()


@pytest.fixture
def laptop(server: Server) -> Iterator[Fresh]:
    """Logs laptops in: a new one, or one that has been here, by its number."""
    laptops: list[Laptop] = []

    def new(number: int | None = None) -> Laptop:
        laptops.append(Laptop(server.tls_port, server.domain, number or next(_numbers)))
        return laptops[-1]

    yield new
    for each in laptops:
        each.socket.close()
    _wait_until_all_left(server)


def _wait_until_all_left(server: Server) -> None:
    """So that no laptop of one test is a buddy in the next."""
    watcher = Laptop(server.tls_port, server.domain, 999_999).online()
    while list(watcher.iq("get", "<query xmlns='jabber:iq:roster'/>").iter("{jabber:iq:roster}item")):
        pass
    watcher.close()
