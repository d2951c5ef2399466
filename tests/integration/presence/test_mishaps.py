"""Laptops that do not read, fall silent or send nonsense, and a disk that is full: nobody else suffers for it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .laptop import Laptop
from .server import Server, running
from .wire import Client, account, condition


@pytest.fixture(scope="module")
def school() -> Iterator[Server]:
    with running('sugar_stall_seconds = 3\nlimits = { c2s = { rate = "50mb/s" } }') as server:
        yield server


def _online(server: Server, number: int) -> Laptop:
    return Laptop(server.tls_port, server.domain, number).online()


def _gone(watcher: Laptop, other: Laptop, seconds: float) -> None:
    watcher.wait(lambda s: s.get("from") == other.jid and s.get("type") == "unavailable", seconds=seconds)


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
    _gone(listener, deaf, 15)
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


def _deep() -> bytes:
    return b"<message to='x'>" + b"<a>" * 30000 + b"</a>" * 30000 + b"</message>"


@pytest.mark.parametrize(
    "sent",
    [
        b"<message><body>\xff\xfe\xc3</body></message>",
        b"<presence><status>\x01</status></presence>",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]><presence/>",
        b"<presence from='somebody",
        b"<message><body>" + b"x" * 300_000 + b"</body></message>",
        _deep(),
        b"</stream:stream>" * 3,
    ],
    ids=["bad UTF-8", "control character", "entity", "unclosed", "huge", "deep", "ends"],
)
def test_nonsense_ends_its_own_stream_at_most(school: Server, sent: bytes) -> None:
    number = 100 + sum(sent) % 800
    hostile, watcher = _online(school, number), _online(school, 99)
    hostile.socket.sendall(sent)
    hostile.socket.sendall(b"\n" * 10)
    if sent.startswith(b"<presence from"):
        hostile.socket.close()
    _gone(watcher, hostile, 10)
    assert watcher.publish("#FFFFFF,#000000").get("type") == "result"
    watcher.close()
    assert "Traceback" not in (school.folder / "log").read_text()


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


def test_500_laptops_register_at_once(school: Server) -> None:
    def one(number: int) -> str | None:
        client = Client(school.tls_port, school.domain)
        try:
            return client.register(*account(number)).get("type")
        finally:
            client.socket.close()

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(one, range(5000, 5500))) == ["result"] * 500


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_refuses_accounts_and_nothing_else(school: Server) -> None:
    folder: Path = school.folder / "data"
    here = _online(school, 41)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "full", str(folder)], check=True)
    try:
        filler = folder / "filler"
        filler.write_bytes(b"x" * 64 * 1024)
        client = Client(school.tls_port, school.domain)
        assert condition(client.register(*account(42))) in {"internal-server-error", "feature-not-implemented"}
        assert here.publish("#123456,#654321").get("type") == "result"
        here.send("<presence><show>away</show></presence>")
        here.settle()
        filler.unlink()
        assert client.register(*account(42)).get("type") == "result"
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    here.close()
