"""A whole school at once, and power cuts: no acknowledged registration is lost."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .laptop import made_up_key, register

CLIENTS = 30


def keys_in(server):
    """What is in the database, read without our own code."""
    with sqlite3.connect(server.database) as database:
        return {key.split()[1] for (key,) in database.execute("SELECT key FROM registrations")}


def memory_kib(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


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
    assert memory_kib(running) < 64 * 1024


def test_killed_in_the_middle(running):
    acknowledged = set()
    for _ in range(3):
        enough, killed = threading.Semaphore(0), threading.Event()

        def client(enough=enough, killed=killed):
            while not killed.is_set():
                key = made_up_key()
                try:
                    answer = register(running.url, "SHC00700123", "x", "", key)
                except Exception:
                    if killed.is_set() or running.process.poll() is not None:
                        return
                    # Hung up on just as the process was dying.
                    assert killed.wait(5)
                    return
                assert answer["success"] == "OK"
                acknowledged.add(key)
                enough.release()

        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for _ in range(200):
            assert enough.acquire(timeout=30)
        running.stop(signal.SIGKILL)
        killed.set()
        for thread in threads:
            thread.join(timeout=30)
            assert not thread.is_alive()
        running.start()
    assert len(acknowledged) >= 600
    assert acknowledged <= keys_in(running)
