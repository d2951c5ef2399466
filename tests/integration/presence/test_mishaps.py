"""Laptops that do not read, fall silent or come all at once, and a disk that is full: nobody else suffers for it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import far_away
from .conftest import RELEASES
from .laptop import Laptop
from .server import Server, running
from .wire import Client, account, condition


@pytest.fixture(scope="module")
def school(request: pytest.FixtureRequest) -> Iterator[Server]:
    limits = 'sugar_stall_seconds = 3\nlimits = { c2s = { rate = "50mb/s" } }'
    with running(limits, command=RELEASES[request.param]) as server:
        yield server


def _online(server: Server, number: int) -> Laptop:
    return Laptop(server.tls_port, server.domain, number).online()


def test_a_client_that_never_reads_neither_fills_the_memory_nor_slows_the_others(school: Server) -> None:
    deaf, talker, listener = (_online(school, number) for number in (1, 2, 3))
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    before = school.resident_mib()
    for number in range(200):  # 20 MB for each of the others: more than the system keeps for one that does not read
        assert talker.publish(f"#{number:06x}" * 14000).get("type") == "result"
        listener.settle()
        listener.seen = [s for s in listener.seen if s.get("type") == "unavailable"]
        talker.seen.clear()
    assert school.resident_mib() - before < 60
    listener.until_gone(deaf)
    listener.close()
    talker.close()


def test_a_client_that_fell_silent_is_gone_within_two_timeouts() -> None:
    with running("sugar_silence_seconds = 2") as server:
        silent, watcher = _online(server, 11), _online(server, 12)
        asked = silent.wait(lambda s: s.find("{urn:xmpp:ping}ping") is not None)
        assert asked.get("from") == server.domain
        deadline = time.monotonic() + 10
        while "roster remove" not in watcher.story_of(silent) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert watcher.story_of(silent) == ["roster both", "available", "unavailable", "roster remove"]


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a network of its own")
@pytest.mark.parametrize("release", RELEASES)
def test_a_laptop_whose_cable_is_cut_is_gone_and_nothing_of_it_stays(release: str) -> None:
    """Half-open: no packet says so, and what is on its way to it is never acknowledged."""
    interfaces = f'interfaces = {{ "127.0.0.1", "{far_away.HERE}" }}\nsugar_silence_seconds = 2'
    networks = ["127.0.0.0/8", f"{far_away.THERE}/32"]
    with (
        far_away.place() as far,
        running(interfaces, command=RELEASES[release], presence__networks=networks) as server,
    ):
        watcher, talker = _online(server, 21), _online(server, 22)
        connections = server.open_files()
        lost = Laptop(server.tls_port, server.domain, 23, raw=far.connect(server.tls_port)).online()
        assert server.open_files() == connections + 1
        far.cut()
        talker.publish("#000000,#FFFFFF" * 1000)
        deadline = time.monotonic() + 40
        while "roster remove" not in watcher.story_of(lost) or server.open_files() > connections:
            assert time.monotonic() < deadline, (watcher.story_of(lost), server.open_files() - connections)
            time.sleep(0.2)
            talker.settle()
        assert watcher.story_of(lost) == ["roster both", "available", "unavailable", "roster remove"]


def test_500_laptops_register_at_once(school: Server) -> None:
    """All are connected, from one address, before the first one asks; and nobody is told to come later."""
    numbers = range(5000, 5500)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(50) as pool:
        clients = list(pool.map(lambda _: Client(school.tls_port, school.domain), numbers))
        for client in clients:
            stack.enter_context(client.socket)
        for client, number in zip(clients, numbers, strict=True):
            name, password = account(number)
            fields = f"<username>{name}</username><password>{password}</password>"
            client.send(f"<iq type='set' id='register'><query xmlns='jabber:iq:register'>{fields}</query></iq>")
        answers = [client.wait(lambda s: s.get("id") == "register", seconds=60) for client in clients]
    assert [answer.get("type") for answer in answers] == ["result"] * len(numbers)


@contextlib.contextmanager
def _small_disk(release: str) -> Iterator[tuple[Server, Path]]:
    """A server whose disk is small, and the file that fills it."""

    def furnish(folder: Path) -> None:
        (folder / "data").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "small", str(folder / "data")], check=True)
        disks.append(folder / "data")

    disks: list[Path] = []
    with running(command=RELEASES[release], furnish=furnish) as server:
        try:
            yield server, disks[0] / "filler"
        finally:
            server.stop()
            subprocess.run(["umount", str(disks[0])], check=True)


def _fill(filler: Path) -> None:
    """Up to the last byte."""
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
@pytest.mark.parametrize("release", RELEASES)
def test_a_full_disk_refuses_what_it_cannot_keep_and_nothing_else(release: str) -> None:
    with _small_disk(release) as (school, filler):
        here, known = _online(school, 1), _online(school, 2)
        leaver = _online(school, 5)
        known.close()
        fresh = Client(school.tls_port, school.domain)
        assert fresh.register(*account(3)).get("type") == "result"
        _fill(filler)
        client = Client(school.tls_port, school.domain)
        assert condition(client.register(*account(4))) in {"internal-server-error", "feature-not-implemented"}
        card = "<vCard xmlns='vcard-temp'><NICKNAME>Ana</NICKNAME></vCard>"
        contact = "<query xmlns='jabber:iq:roster'><item jid='somebody@example.org'/></query>"
        for kept in (card, contact):
            assert here.iq("set", kept).get("type") == "error", kept

        back = _online(school, 2)
        fresh.login(*account(3))  # for the first time, of which nothing can be noted
        fresh.send("<presence/>")
        assert here.publish("#123456,#654321").get("type") == "result"
        here.until_here(back)
        back.until_here(here)
        assert leaver.iq("set", "<query xmlns='jabber:iq:register'><remove/></query>").get("type") == "result"
        here.until_gone(leaver)

        filler.unlink()
        assert client.register(*account(4)).get("type") == "result"
        for kept in (card, contact):
            assert here.iq("set", kept).get("type") == "result"
        for each in (here, back, fresh, client):
            each.socket.close()
