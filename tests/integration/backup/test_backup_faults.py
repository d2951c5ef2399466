"""The backups' service among creeping clients, kills, wrong clocks, a damaged database and files of gigabytes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest
from sugar_server.backup import adoptions, snapshots

from .conftest import PYTHONS, School
from .test_backup_snapshots import small_disk

__all__ = ["small_disk"]
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


def resident_mib(school):
    return int(Path(f"/proc/{school.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_who_connects_and_says_nothing_keeps_nobody_out(school):
    """More than there may be at once, silent, creeping, or half through the handshake; laptops come and go."""
    laptop = school.laptop()
    laptop.entry(1)
    creeping = []
    try:
        for number in range(200):
            connection = socket.create_connection(("127.0.0.1", school.port), timeout=5)
            with contextlib.suppress(OSError):
                connection.sendall(b"SSH-2.0-OpenSSH_5.2\r\n"[: number % 22])
            creeping.append(connection)
        for round_ in range(3):
            laptop.entry(round_, str(round_) * (round_ + 1))
            laptop.back_up()
            for connection in creeping:
                with contextlib.suppress(OSError):
                    connection.sendall(b"x")
        assert len(laptop.snapshots()) == 3
        assert resident_mib(school) < 150
    finally:
        for connection in creeping:
            connection.close()
    assert "Traceback" not in school.log.read_text()


def test_damaged_registrations_let_nobody_in_and_are_told(school):
    laptop = school.laptop()
    laptop.back_up()
    database = school.state / "registrations.db"
    with contextlib.closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        opened.execute("PRAGMA journal_mode = DELETE")
    sound = database.read_bytes()
    for damage in (b"x" * len(sound), sound[:4096] + b"x" * (len(sound) - 4096), b""):
        database.write_bytes(damage)
        done = laptop.run("snapshots")
        assert "Permission denied" in done.stderr
        told = school.command("backups")
        assert (told.returncode, "registrations.db" in told.stderr, "Traceback" in told.stderr) == (1, True, False)
    assert school.log.read_text().count("registrations.db") >= 3
    assert "Traceback" not in school.log.read_text()
    database.write_bytes(sound)
    assert laptop.run("snapshots").returncode == 0


def test_killed_at_random_under_load(idle_school):
    """Every snapshot is one whole state of its laptop's Journal, and the next backup goes on."""
    school = idle_school
    laptops = [school.laptop(f"SHC0070000{number}") for number in range(4)]
    for round_ in range(4):
        school.start()
        ending = threading.Event()

        def load(laptop, round_=round_, ending=ending):
            generation = 0
            while not ending.is_set():
                generation += 1
                # Each has a size of its own: rsync takes files of one size and one second to be the same.
                for number in range(12):
                    laptop.entry(number, f"{round_}.{generation}" + "x" * (1000 * round_ + generation))
                if laptop.bring(laptop.journal).returncode == 0:
                    laptop.complete()

        threads = [threading.Thread(target=load, args=(laptop,)) for laptop in laptops]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(1, 3))
        ending.set()
        school.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
    school.start()
    count = 0
    for laptop in laptops:
        for name in laptop.snapshots():
            texts = [path.read_text() for path in (laptop.home / name).glob("??/*/data")]
            assert (len(texts), len(set(texts))) == (12, 1), (name, set(texts))
            count += 1
        laptop.back_up()
        assert not [path.name for path in laptop.home.iterdir() if path.name.startswith((".new", ".removing"))]
    assert count >= 4
    assert "Traceback" not in school.log.read_text()


@pytest.mark.skipif(FAKETIME is None, reason="the clock is set by libfaketime")
def test_a_clock_that_jumps_loses_no_snapshot(idle_school):
    school, laptop = idle_school, idle_school.laptop()
    usual = school.environment()
    for number, moment in enumerate(("2026-01-01", "2044-05-05", "1975-01-01", "2026-01-02")):
        at = {**usual, "LD_PRELOAD": str(FAKETIME), "FAKETIME": f"@{moment} 12:00:00"}
        school.environment = lambda at=at: at
        school.configure("sandbox = no\nquota_percent = 1\n")
        school.start()
        laptop.entry(number, moment)
        laptop.back_up()
        # The disk is fuller than that: whatever the clock says, the year's only snapshots are not old.
        purged = school.command("purge-backups")
        assert (purged.returncode, purged.stderr) == (0, "")
        school.stop()
    names = laptop.snapshots()
    assert (laptop.home / "datastore-latest").readlink().name == names[-1]
    assert len(list((laptop.home / names[-1]).glob("??/*/data"))) == 4
    assert [snapshots.moment(name) for name in names] == sorted(snapshots.moment(name) for name in names)


def test_backups_that_do_not_fit_are_given_to_nobody(small_disk):
    """The copies of many small files take folders: on a disk without inodes the request fails, and says so."""
    school = small_disk
    old, new = school.laptop(), school.laptop("SHC00700999")
    for number in range(60):
        old.entry(number)
    old.back_up()
    new.back_up()
    before = new.snapshots()
    fill = school.backups / "fill"
    fill.mkdir()
    for number in range(os.statvfs(school.backups).f_ffree - 40):
        (fill / str(number)).touch()
    adoptions.ask(school.state, old.home.name, new.home.name)
    done = school.command("adopt", "--requested")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "No space left" in done.stdout
    assert new.snapshots() == before
    assert not (new.home / ".new").exists()
    assert not list(adoptions.folder(school.state).iterdir())
    assert (school.backups / "failed-adoptions" / new.home.name).read_text() == "full"
    subprocess.run(["rm", "-r", fill], check=True)
    adoptions.ask(school.state, old.home.name, new.home.name)
    assert school.command("adopt", "--requested").returncode == 0
    assert len(new.snapshots()) == 2


def test_a_file_of_more_than_two_gigabytes(tmp_path):
    """It comes whole, with the service's memory as small as before; and where there is no room, it ends early."""
    size = 2 * 1024**3 + 12_345
    school = School(tmp_path, PYTHONS["debian"])
    tmp_path.chmod(0o755)
    try:
        school.start()
        laptop = school.laptop()
        data = laptop.entry(1) / "data"
        os.truncate(data, size)
        with data.open("r+b") as file:
            file.seek(size - 3)
            file.write(b"end")
        before = resident_mib(school)
        argv = [*("-z", "-rlt", "--partial", "--delete", "--timeout=160")]
        done = subprocess.run(
            ["rsync", "-e", " ".join(laptop.ssh()), *argv, f"{laptop.journal}/", "127.0.0.1:datastore-current"]
        )
        assert done.returncode == 0
        assert laptop.complete().returncode == 0
        kept = laptop.home / laptop.snapshots()[0] / data.relative_to(laptop.journal)
        assert kept.stat().st_size == size
        with kept.open("rb") as file:
            file.seek(size - 3)
            assert file.read() == b"end"
        assert resident_mib(school) < before + 30
    finally:
        school.stop()
