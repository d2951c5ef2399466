"""A full disk, a clock that jumps, clients that creep: what is acknowledged is kept, and it goes on afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from tests import clock

from .client import ask
from .laptop import made_up_key, raw, register

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")


@pytest.fixture
def small_disk(debian_server):
    """The state's folder is a disk of 2 MiB."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", debian_server.state], check=True)
    yield debian_server
    debian_server.stop()
    subprocess.run(["umount", "-l", debian_server.state], check=True)


def fill(server, leave=0):
    """Writes until nothing more goes in, then makes LEAVE bytes of room."""
    path = server.state / "ballast"
    with path.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)
    os.truncate(path, max(0, path.stat().st_size - leave))


def make_room(server):
    (server.state / "ballast").unlink()


@root_only
def test_a_full_disk_at_every_point_of_a_registration(small_disk):
    server = small_disk
    server.start()
    acknowledged = {made_up_key() for _ in range(3)}
    for key in acknowledged:
        assert register(server.url, "SHC00700123", "x", "", key)["success"] == "OK"
    refusals = 0
    # Less and less room: each time another write is the one that fails.
    for pages in range(24, -1, -1):
        fill(server, leave=pages * 4096)
        for _ in range(6):
            key = made_up_key()
            answer = register(server.url, "SHC00700123", "y" * 900, "", key)
            if answer["success"] == "OK":
                acknowledged.add(key)
            else:
                assert set(answer) == {"success", "error"}
                refusals += 1
        (server.state / "ballast").unlink()
    assert refusals > 20
    fill(server)
    body = {"nickname": "x", "machine_sn": "SHC1", "pubkey": made_up_key()}
    assert ask(server, "POST", "/client/register", body)[1]["success"] == "ERR"
    log = server.log.read_text()
    assert "Make room on the disk" in log
    assert "Traceback" not in log
    make_room(server)
    key = made_up_key()
    assert register(server.url, "SHC00700123", "x", "", key)["success"] == "OK"
    assert acknowledged | {key} <= {row["pubkey"] for row in server.registrations()}
    server.stop()
    with contextlib.closing(sqlite3.connect(server.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@root_only
def test_a_full_disk_at_the_start_and_under_the_commands(small_disk):
    server = small_disk
    fill(server)
    done = server.command("serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Make room" in done.stderr or "free space" in done.stderr or "room on it" in done.stderr
    make_room(server)
    server.start()
    assert register(server.url, "SHC00700123", "x", "", made_up_key())["success"] == "OK"
    (row,) = server.registrations()
    fill(server)
    for words in (["forget", str(row["fingerprint"])], ["restore-database"]):
        done = server.command(*words)
        assert "Traceback" not in done.stderr
    make_room(server)
    assert server.command("registrations").returncode == 0


def test_a_clock_that_jumps(debian_server):
    """Years ahead, back before the epoch's first decades, and home: nobody is refused, nothing is lost."""
    server, key = debian_server, made_up_key()
    others = []
    for moment in ("2026-01-01 00:00:00", "2044-05-05 00:00:00", "1975-01-01 00:00:00", "2026-01-02 00:00:00"):
        argv = server.argv("serve", "--root", str(server.root), "--listen", f"127.0.0.1:{server.address[1]}")
        server.start([*clock.at(moment), *argv])
        others.append(made_up_key())
        for each in (key, others[-1]):
            assert register(server.url, "SHC00700123", "x", "", each)["success"] == "OK"
        nonce = ask(server, "GET", "/client/nonce")[1]
        assert nonce["success"] == "OK"
        with contextlib.suppress(urllib.error.HTTPError):
            assert json.load(urllib.request.urlopen(server.url + "/health", timeout=5))["database_writable"]
        server.stop()
    assert {row["pubkey"] for row in server.registrations()} == {key, *others}
    (row,) = (row for row in server.registrations() if row["pubkey"] == key)
    assert row["last_at"].startswith("2026-01-02")


def test_creeping_clients_keep_nobody_out(debian_server):
    debian_server.start()
    creeping = []
    try:
        for number in range(300):
            connection = socket.create_connection(debian_server.address, timeout=5)
            head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n"
            connection.sendall((head + b"\r\n<")[: 5 + number])
            creeping.append(connection)
        begin = time.monotonic()
        for round_ in range(5):
            for connection in creeping[round_::5]:
                with contextlib.suppress(OSError):
                    connection.sendall(b"a")
            assert register(debian_server.url, "SHC00700123", "x", "", made_up_key())["success"] == "OK"
        assert time.monotonic() - begin < 8
    finally:
        for connection in creeping:
            connection.close()


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><methodCall><methodName>register</methodName>"
    + b"<params><param><value>&a11;</value></param></params></methodCall>"
)
EXTERNAL = (
    b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><methodCall><methodName>&b;</methodName></methodCall>'
)


@pytest.mark.parametrize(
    "bomb", [BOMB, EXTERNAL, BOMB.decode().encode("utf-16")], ids=["laughs", "external", "utf-16"]
)
@pytest.mark.parametrize("path", ["/", "/RPC2"])
def test_entity_bombs(debian_server, bomb, path):
    debian_server.start()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(bomb)}\r\n\r\n"
    begin = time.monotonic()
    answer = raw(debian_server.address, head.encode() + bomb)
    assert time.monotonic() - begin < 2
    assert b"<value><string>ERR</string></value>" in answer
    assert b"root:" not in answer
