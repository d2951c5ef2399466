"""What test_server_faults.py does to registrations, done to the daemon's other rooms."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import random
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests import clock
from tests.bundles import activity

from .laptop import made_up_key, register
from .test_server_copies import damage
from .test_server_faults import fill, make_room, root_only, small_disk

__all__ = ["small_disk"]
MIDNIGHT = int(time.time()) // 86400 * 86400


def guid_of(key):
    return hashlib.sha1(key.encode()).hexdigest()


def registered(server):
    key = made_up_key()
    assert register(server.url, "SHC00700123", "x", "", key)["success"] == "OK"
    return guid_of(key)


def upload(server, guid, at, name="system"):
    """The status, and what is said."""
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    body = json.dumps({"name": name, "values": [[at, {"uptime": 1}]]})
    connection.request("POST", f"/user/{guid}?cmd=stats-upload", body)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    return answer.status, said


def total(server, first="1970-01-01", last="2099-12-31"):
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    connection.request("GET", f"/statistics.json?from={first}&to={last}")
    answer = connection.getresponse()
    assert answer.status == 200
    return sum(row["total"] for row in json.loads(answer.read()))


@root_only
def test_a_full_disk_at_every_point_of_statistics(small_disk):
    server = small_disk
    server.start()
    guid = registered(server)
    acknowledged = refused = 0
    for pages in range(24, -1, -1):
        fill(server, leave=pages * 4096)
        for number in range(6):
            name = f"activity.org.example.N{pages * 10 + number:03}{'x' * 60}"
            status, said = upload(server, guid, MIDNIGHT, name)
            acknowledged += said.get("added", 0)
            refused += status == 503
            assert status == 200 or (status == 503 and "try again later" in said["error"])
        make_room(server)
    assert refused > 20
    assert total(server) == acknowledged
    assert upload(server, guid, MIDNIGHT)[0] == 200
    log = server.log.read_text()
    assert "Make room on the disk" in log
    assert "Traceback" not in log


@root_only
def test_a_full_disk_under_pages_and_commands(small_disk, tmp_path):
    server = small_disk
    backups = tmp_path / "backups"
    (backups / "homes" / ("a" * 64)).mkdir(parents=True)
    (backups / "homes" / ("a" * 64) / ".serial").write_text("SHC00700123")
    folder = server.state / "library"
    server.configure(
        f"[server]\nfqdn = school.example.pe\n[backup]\nfolder = {backups}\n[library]\nfolder = {folder}\n"
    )
    server.start()
    registered(server)
    (server.state / "restore.key").unlink()
    fill(server)
    for path in ("/", "/laptops", "/server", "/statistics", "/activities/", "/login"):
        connection = http.client.HTTPConnection(*server.address, timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().status == 200, path
    done = server.command("password")
    assert (done.returncode, "Make room there" in done.stderr) == (1, True)
    done = server.command("restore-link", "SHC00700123")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Is the disk full?" in done.stderr
    argv = [server.python, "-m", "sugar_server", "add-activity", "--root", str(server.root)]
    bundle = activity(tmp_path / "x.xo", files={"big": os.urandom(100_000)})
    added = subprocess.run([*argv, str(bundle)], env=server.environment(), capture_output=True, text=True)
    assert (added.returncode, "Is the disk full?" in added.stderr) == (1, True)
    assert list(folder.iterdir()) == []
    make_room(server)
    assert server.command("password").returncode == 0
    assert server.command("restore-link", "SHC00700123").returncode == 0
    assert subprocess.run([*argv, str(bundle)], env=server.environment()).returncode == 0
    assert "Traceback" not in server.log.read_text() + done.stderr + added.stderr


def test_statistics_when_the_daemon_is_killed_under_load(debian_server):
    """What was acknowledged is there once, however often it is sent again."""
    server, acknowledged = debian_server, []
    server.start()
    guids = [registered(server) for _ in range(8)]
    for round_ in range(3):
        ending = threading.Event()

        def load(guid, first=round_ * 2000, ending=ending):
            for number in range(first, first + 2000):
                if ending.is_set():
                    return
                with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                    acknowledged.append(upload(server, guid, MIDNIGHT - 86400 * 20 + number * 60)[1]["added"])

        threads = [threading.Thread(target=load, args=(guid,)) for guid in guids]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.5, 1.5))
        server.stop(by=9)
        ending.set()
        for thread in threads:
            thread.join()
        server.start()
    # Each laptop goes on behind what the server says that it has: nothing twice, nothing left out.
    with contextlib.closing(sqlite3.connect(server.state / "statistics.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        sent = database.execute("SELECT sum(samples) FROM sums").fetchone()[0]
    for guid in guids:
        for number in range(6000, 6010):
            assert upload(server, guid, MIDNIGHT - 86400 * 20 + number * 60) == (200, {"added": 1})
            assert upload(server, guid, MIDNIGHT - 86400 * 20 + number * 60) == (200, {"added": 0})
    assert total(server) == sent + 80
    # Of what was under way as it died, one of each laptop each time, nobody was told.
    assert 50 < sum(acknowledged) <= sent <= sum(acknowledged) + 3 * len(guids)


def test_statistics_survive_a_clock_that_jumps(debian_server):
    server, then = debian_server, 1_767_225_600  # 2026-01-01
    moments = (("2026-01-02 00:00:00", 1), ("2044-05-05 00:00:00", 2), ("1975-01-01 00:00:00", 2))
    guid = None
    for moment, expected in (*moments, ("2026-01-03 00:00:00", 3)):
        argv = server.argv("serve", "--root", str(server.root), "--listen", f"127.0.0.1:{server.address[1]}")
        server.start([*clock.at(moment), *argv])
        guid = guid or registered(server)
        at = {"2044": 2_346_105_600 - 86400, "1975": then + 86400}.get(moment[:4], then + 86400 * (expected - 1))
        assert upload(server, guid, at, name=f"activity.year{moment[:4]}.{expected}")[0] == 200
        assert total(server) == expected, moment
        server.stop()


@pytest.mark.parametrize("begin", [0, 4096], ids=["all", "pages"])
def test_corrupt_statistics_are_told_and_there_is_a_way_back(debian_server, begin):
    server = debian_server
    server.start()
    guid = registered(server)
    upload(server, guid, MIDNIGHT)
    server.stop()
    argv = [
        server.python,
        "-c",
        "import sys, time; from pathlib import Path; from sugar_server.database import copies; ",
    ]
    argv[-1] += "copies.make(Path(sys.argv[1]), time.time())"
    database = server.state / "statistics.db"
    subprocess.run([*argv, str(database)], env=server.environment(), check=True)
    damage(database, begin)
    if begin:
        server.start()
        assert upload(server, guid, MIDNIGHT + 60)[0] == 503
        assert register(server.url, "SHC00700124", "x", "", made_up_key())["success"] == "OK"
        server.stop()
        told = server.log.read_text()
    else:
        done = server.command("serve", "--listen", "127.0.0.1:0")
        assert done.returncode == 1
        told = done.stderr
    assert "sugar-server restore-database" in told
    assert "Traceback" not in told
    assert server.command("restore-database", "statistics").returncode == 0
    server.start()
    assert total(server) == 1
    assert upload(server, guid, MIDNIGHT + 60) == (200, {"added": 1})


def resident_mib(server):
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize("chunked", [False, True])
def test_two_gigabytes_are_not_taken(running, chunked):
    """Whoever sends them is told no, or hung up on, long before the end; the daemon holds none of it."""
    guid = registered(running)
    before = resident_mib(running)
    size = 2 * 1024**3
    how = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    piece = b"x" * 1024 * 1024
    piece = b"100000\r\n" + piece + b"\r\n" if chunked else piece
    for path in ("/", "/RPC2", "/client/register", f"/user/{guid}?cmd=stats-upload", "/login", "/laptops/x/forget"):
        sent, answer = 0, b""
        with socket.create_connection(running.address, timeout=30) as connection:
            host = f"127.0.0.1:{running.address[1]}"
            head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n{how}\r\n"
            connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode())
            with contextlib.suppress(ConnectionError):
                while sent < size and not answer:
                    connection.sendall(piece)
                    sent += len(piece)
                    connection.settimeout(0.001)
                    with contextlib.suppress(TimeoutError):
                        answer = connection.recv(100)
                    connection.settimeout(30)
        assert sent < 64 * 1024 * 1024, path
        assert not answer or answer.split()[1] in {b"400", b"403", b"413"}, (path, answer)
    assert resident_mib(running) < before + 30
    assert register(running.url, "SHC00700124", "x", "", made_up_key())["success"] == "OK"


def test_two_gigabytes_are_no_activity(debian_server, tmp_path):
    folder = debian_server.state / "library"
    debian_server.configure(f"[library]\nfolder = {folder}\n")
    bundle = activity(tmp_path / "huge.xo")
    os.truncate(bundle, 2 * 1024**3 + 1)
    argv = [
        debian_server.python,
        "-m",
        "sugar_server",
        "add-activity",
        str(bundle),
        "--root",
        str(debian_server.root),
    ]
    begin = time.monotonic()
    done = subprocess.run(argv, env=debian_server.environment(), capture_output=True, text=True)
    assert (done.returncode, "it is larger than 2048 MiB" in done.stdout) == (1, True)
    assert time.monotonic() - begin < 5
    assert list(folder.iterdir()) == []


def test_clients_that_do_not_read_keep_nobody_out(debian_server):
    folder = debian_server.state / "library"
    folder.mkdir()
    debian_server.configure(f"[library]\nfolder = {folder}\n")
    activity(folder / "big.xo", files={"big": os.urandom(20_000_000)})
    debian_server.start()
    before, lazy = resident_mib(debian_server), []
    try:
        for _ in range(200):
            connection = socket.create_connection(debian_server.address, timeout=5)
            connection.sendall(b"GET /activities/big.xo HTTP/1.1\r\nHost: x\r\n\r\n")
            lazy.append(connection)
        begin = time.monotonic()
        for _ in range(5):
            assert register(debian_server.url, "SHC00700123", "x", "", made_up_key())["success"] == "OK"
        assert time.monotonic() - begin < 8
        assert resident_mib(debian_server) < before + 60
    finally:
        for connection in lazy:
            connection.close()
