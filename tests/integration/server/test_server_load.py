"""A whole school at once, and power cuts: no acknowledged registration is lost."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import sqlite3
import threading
import time
import urllib.request
import xmlrpc.client
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import client
from .laptop import made_up_key, raw, register

CLIENTS = 30
MOST_KIB = 60 * 1024
MOST_SECONDS_TO_START = 1.0


def keys_in(server):
    """What is in the database, read without our own code."""
    with sqlite3.connect(server.database) as database:
        return {key.split()[1] for (key,) in database.execute("SELECT key FROM registrations")}


def memory_kib(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def processor_seconds(server):
    """What the process has used: other work on the machine makes it no longer."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_thirty_clients_at_once(running):
    keys = [made_up_key() for _ in range(1020)]

    def client(mine):
        slowest = 0.0
        for number, key in enumerate(mine):
            begin = time.monotonic()
            answer = register(running.url, f"SHC{number:08d}", "Ñusta", "", key)
            slowest = max(slowest, time.monotonic() - begin)
            assert answer["success"] == "OK"
        return slowest

    with ThreadPoolExecutor(CLIENTS) as pool:
        slowest = max(pool.map(client, [keys[number::CLIENTS] for number in range(CLIENTS)]))
    assert slowest < 8
    assert keys_in(running) == set(keys)
    # A laptop of 256 MB may be the server.
    assert memory_kib(running) < MOST_KIB
    running.stop()
    running.start()
    assert processor_seconds(running) < MOST_SECONDS_TO_START
    for path in ("/laptops", "/server", "/activities/", "/statistics"):
        urllib.request.urlopen(running.url + path, timeout=10).close()
    assert memory_kib(running) < MOST_KIB


def hanging(server, path, sent, length):
    """A laptop that sends so many bytes of a body, and no more; it does not wait for who does not read them."""
    connection = socket.create_connection(server.address, timeout=5)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    connection.setblocking(False)
    with contextlib.suppress(OSError):
        connection.send(head.encode() + b"x" * sent)
    return connection


def all_but_one_byte(server, path):
    """A laptop whose body of 1 MiB never ends."""
    connection = hanging(server, path, 0, 2**20)
    connection.settimeout(5)
    with contextlib.suppress(OSError):
        connection.sendall(b"x" * (2**20 - 1))
    return connection


def answers(connections):
    """Heads of the answers that came; the server may have hung up on who still sends."""
    found = []
    for connection in connections:
        with contextlib.suppress(OSError):
            found.append(connection.recv(4096).decode().lower().partition("\r\n\r\n")[0])
    # Not a body that came by itself.
    return [head for head in found if head.startswith("http/")]


def test_laptops_that_hang_take_little_memory(running):
    """Two hundred whose bodies would be 200 MiB, as on a machine that cannot keep up; small requests go on."""
    key = made_up_key()
    assert register(running.url, "SHC00700000", "x", "", key)["success"] == "OK"
    guid = hashlib.sha1(key.encode()).hexdigest()
    with contextlib.ExitStack() as ending:
        path = f"/user/{guid}?cmd=stats-upload"
        for _ in range(200):
            ending.enter_context(all_but_one_byte(running, path))
        for _ in range(3):
            assert register(running.url, "SHC00700123", "x", "", made_up_key())["success"] == "OK"
        assert memory_kib(running) < MOST_KIB
        # Its body is whole, and there is no room for it.
        late = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {2**20}\r\nConnection: close\r\n\r\n"
        for _ in range(10):
            # On a slow machine the first of them are being given up; these take the room anew.
            for _ in range(8):
                ending.enter_context(all_but_one_byte(running, path))
            answer = raw(running.address, late.encode() + b"x" * 2**20).decode()
            if answer.startswith("HTTP/1.1 503 "):
                break
        assert_come_again(answer)
    deadline = time.monotonic() + 20
    while b" 503 " in raw(running.address, late.encode() + b"x" * 2**20).split(b"\r\n")[0]:
        assert time.monotonic() < deadline, "the room of those who went is not given back"
    assert "Traceback" not in running.log.read_text()


def test_a_crowd_is_told_to_come_again(running):
    with contextlib.ExitStack() as ending:
        crowd = [ending.enter_context(hanging(running, "/RPC2", 1000, 60000)) for _ in range(700)]
        deadline = time.monotonic() + 15
        told = []
        while len(told) < 200 and time.monotonic() < deadline:
            told += answers(crowd)
            time.sleep(0.1)
        assert len(told) == 200
        for head in told:
            assert_come_again(head)
        assert memory_kib(running) < MOST_KIB
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(xmlrpc.client.ProtocolError):
            assert register(running.url, "SHC00700123", "x", "", made_up_key())["success"] == "OK"
            break
        assert time.monotonic() < deadline, "the room of those who went is not given back"


def assert_come_again(answer):
    head = answer.lower().partition("\r\n\r\n")[0]
    assert head.startswith("http/1.1 503 ")
    (seconds,) = (line.partition(": ")[2] for line in head.splitlines() if line.startswith("retry-after: "))
    assert 5 <= int(seconds) <= 30


class School:
    """Thirty laptops that register new keys until the server is killed, by Sugar's call and by our own client's."""

    def __init__(self, server):
        self.server, self.slowest = server, 0.0
        self.acknowledged = set()

    def register_and_kill(self, enough):
        """Kills once that many more are acknowledged; some are on their way then."""
        count, killed = threading.Semaphore(0), threading.Event()
        threads = [threading.Thread(target=self._laptop, args=(n, count, killed)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for _ in range(enough):
            assert count.acquire(timeout=30)
        self.server.stop(signal.SIGKILL)
        killed.set()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive()

    def _laptop(self, number, count, killed):
        while not killed.is_set():
            key = made_up_key()
            begin = time.monotonic()
            try:
                if number % 3:
                    answer = register(self.server.url, "SHC00700123", "x", "", key)
                else:
                    answer = client.register(self.server, key)
            except Exception:
                # Hung up on just as the process was dying.
                assert killed.wait(5) or self.server.process.poll() is not None
                return
            assert answer["success"] == "OK"
            self.slowest = max(self.slowest, time.monotonic() - begin)
            self.acknowledged.add(key)
            count.release()


def test_killed_in_the_middle(running):
    school = School(running)
    for _ in range(4):
        school.register_and_kill(250)
        running.start()
    assert len(school.acknowledged) >= 1000
    assert school.slowest < 8
    assert school.acknowledged <= keys_in(running)
    with sqlite3.connect(running.database) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_killed_in_the_middle_with_postgresql(debian_server, postgresql):
    url = postgresql.database()
    debian_server.configure(f"[server]\nfqdn = school.example.pe\n[database]\nurl = {url}\n")
    debian_server.start()
    school = School(debian_server)
    for _ in range(2):
        school.register_and_kill(250)
        debian_server.start()
    assert school.slowest < 8
    rows = postgresql.execute(url, "SELECT pubkey FROM registrations.registrations")
    assert school.acknowledged <= {key for (key,) in rows}
