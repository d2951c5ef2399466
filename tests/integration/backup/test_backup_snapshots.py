"""Completion makes snapshots that nothing a laptop does can harm; faults of the server lose nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from .conftest import PYTHONS, School


def test_the_snapshot_has_a_utc_name_and_the_marker_is_gone(school):
    laptop = school.laptop()
    laptop.entry(1)
    before = datetime.now(UTC).replace(second=0, microsecond=0)
    laptop.back_up()
    (name,) = laptop.snapshots()
    assert re.fullmatch(r"datastore-\d{4}-\d\d-\d\d_\d\d:\d\d", name)
    at = datetime.strptime(name, "datastore-%Y-%m-%d_%H:%M").replace(tzinfo=UTC)
    assert timedelta(0) <= at - before <= timedelta(minutes=1)
    assert not list((school.backups / "incoming").iterdir())


def test_two_markers_in_a_minute_do_not_nest(school):
    laptop = school.laptop()
    laptop.entry(1)
    laptop.back_up()
    assert laptop.complete().returncode == 0
    assert len(laptop.snapshots()) == 1  # nothing came in between
    laptop.entry(2)
    laptop.back_up()
    one, two = laptop.snapshots()
    counts = [len(list((laptop.home / name).glob("??/*"))) for name in (one, two)]
    assert counts == [1, 2]
    assert not list((laptop.home / one).glob("datastore-*"))
    assert (laptop.home / "datastore-latest").readlink().name == two


def test_a_marker_that_is_not_an_empty_file_makes_no_snapshot(school):
    laptop = school.laptop()
    laptop.entry(1)
    laptop.bring(laptop.journal)
    target = f"127.0.0.1:/var/lib/ds-backup/completion/{laptop.serial}"
    full, link, folder = (laptop.folder / name for name in ("full", "link", "folder"))
    full.write_text("x")
    link.symlink_to("/etc/passwd")
    folder.mkdir()
    for source, options in ((full, "-t"), (link, "-l"), (folder, "-r")):
        done = laptop.rsync(options, "--timeout", "10", str(source), target)
        assert done.returncode != 0, source
    assert laptop.complete("SHC00700999").returncode != 0
    assert laptop.snapshots() == []


def test_a_later_backup_leaves_the_snapshot_as_it_was(school):
    laptop = school.laptop("SHC00700123", "dsa")
    entry = laptop.entry(1, "first")
    data = entry.relative_to(laptop.journal) / "data"
    laptop.back_up()
    (first,) = laptop.snapshots()
    (entry / "data").write_text("second, and longer")
    os.utime(entry / "data", (1, 1))
    laptop.back_up()
    assert (laptop.home / first / data).read_text() == "first"
    assert (laptop.home / "datastore-latest" / data).read_text() == "second, and longer"


def test_an_empty_journal_is_never_all_that_is_left(school):
    laptop = school.laptop()
    for number in range(30):
        laptop.entry(number)
    assert laptop.bring(laptop.journal).returncode == 0  # the marker did not come: no snapshot yet
    shutil.rmtree(laptop.journal)
    laptop.journal.mkdir()
    laptop.back_up()
    counts = [len(list((laptop.home / name).glob("??/*"))) for name in laptop.snapshots()]
    assert counts == [30, 0]


def test_kept_aside_only_while_a_transfer_runs(school):
    laptop = school.laptop()
    for number in range(3):
        laptop.entry(number)
        assert laptop.bring(laptop.journal).returncode == 0
    assert {path.name for path in laptop.home.iterdir()} == {
        *("datastore-current", "power-logs", "documents", ".dirty", ".serial", ".session")
    }


def test_a_second_session_waits_for_the_first(school):
    laptop = school.laptop()
    (laptop.entry(1) / "data").write_bytes(os.urandom(2_000_000))
    slow = [
        *("rsync", "-e", " ".join(laptop.ssh()), "-rlt", "--partial", "--delete", "--timeout=160", "--bwlimit=800"),
        *(f"{laptop.journal}/", "127.0.0.1:datastore-current"),
    ]
    first = subprocess.Popen(slow, stderr=subprocess.PIPE)
    time.sleep(1)
    began = time.monotonic()
    assert laptop.complete().returncode == 0 or first.poll() is None
    assert first.wait(timeout=30) == 0, first.stderr.read().decode() + school.log.read_text()
    if laptop.snapshots():
        # The snapshot holds the whole file: it was not made in the middle of the transfer.
        (data,) = (laptop.home / laptop.snapshots()[0]).glob("??/*/data")
        assert data.stat().st_size == 2_000_000
    assert time.monotonic() - began < 30


def test_more_laptops_than_places_wait_for_their_turn(idle_school):
    school = idle_school
    school.configure("most_sessions = 1\n")
    school.start()
    laptops = [school.laptop(f"SHC0070012{number}") for number in range(3)]
    began = time.monotonic()
    uploads = []
    for laptop in laptops:
        laptop.entry(1).joinpath("data").write_bytes(os.urandom(1_000_000))
        argv = ["rsync", "-e", " ".join(laptop.ssh()), "-rlt", "--timeout=160", "--bwlimit=800"]
        uploads.append(subprocess.Popen([*argv, f"{laptop.journal}/", "127.0.0.1:datastore-current"]))
    # A list needs no place.
    assert laptops[0].run("snapshots").stdout == "[]\n"
    assert [upload.wait(timeout=60) for upload in uploads] == [0, 0, 0]
    # One after the other: 3 MB at 800 KiB/s.
    assert time.monotonic() - began > 3
    for laptop in laptops:
        assert laptop.complete().returncode == 0


def test_what_a_lost_connection_left_is_carried_on(school):
    laptop = school.laptop()
    content = os.urandom(3_000_000)
    (laptop.entry(1) / "data").write_bytes(content)
    argv = [
        *("rsync", "-e", " ".join(laptop.ssh()), "-rlt", "--partial", "--delete", "--timeout=160", "--bwlimit=1000"),
        *(f"{laptop.journal}/", "127.0.0.1:datastore-current"),
    ]
    first = subprocess.Popen(argv, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(2)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    laptop.back_up()
    (data,) = (laptop.home / "datastore-latest").glob("??/*/data")
    assert data.read_bytes() == content


def test_killed_in_the_middle_of_a_snapshot(idle_school):
    school = idle_school
    laptop = school.laptop()
    for number in range(300):
        laptop.entry(number)
    school.start()
    assert laptop.bring(laptop.journal).returncode == 0
    for delay in (0.05, 0.15, 0.3):
        completing = _completing(laptop)
        deadline = time.monotonic() + 10
        while not (laptop.home / ".new").exists() and completing.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(delay / 10)
        school.stop(signal.SIGKILL)
        completing.wait(timeout=30)
        # Whatever bears a snapshot's name is complete.
        assert all(len(list((laptop.home / name).glob("??/*/data"))) == 300 for name in laptop.snapshots())
        school.start()
        assert not (laptop.home / ".new").exists()
    laptop.back_up()
    assert len(list((laptop.home / "datastore-latest").glob("??/*/data"))) == 300
    assert not subprocess.run(["pgrep", "-f", str(laptop.home)], capture_output=True).stdout


def _completing(laptop) -> subprocess.Popen[bytes]:
    empty = laptop.folder / "empty"
    empty.touch()
    target = f"127.0.0.1:/var/lib/ds-backup/completion/{laptop.serial}"
    argv = ["rsync", "-T", "/tmp", "--timeout", "10", "-e", " ".join(laptop.ssh()), str(empty), target]
    return subprocess.Popen(argv, stderr=subprocess.DEVNULL)


@pytest.fixture
def small_disk(tmp_path):
    """A school whose backups are on a disk of 24 MiB with few inodes, and a way to fill it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,nr_inodes=900", "tmpfs", disk], check=True)
    school = School(tmp_path, PYTHONS["debian"], disk)
    tmp_path.chmod(0o755)
    try:
        school.start()
        yield school
    finally:
        school.stop(signal.SIGKILL)
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_disk_that_fills_during_a_transfer(small_disk):
    laptop = small_disk.laptop()
    entry = laptop.entry(1, "kept")
    laptop.back_up()
    (laptop.entry(2) / "data").write_bytes(os.urandom(40_000_000))
    done = laptop.bring(laptop.journal)
    assert done.returncode != 0
    assert "disk is full" in done.stderr or "No space left" in done.stderr
    (snapshot,) = laptop.snapshots()
    assert (laptop.home / snapshot / entry.relative_to(laptop.journal) / "data").read_text() == "kept"
    (laptop.entry(2) / "data").write_bytes(b"small")
    laptop.back_up()
    assert len(laptop.snapshots()) == 2
    assert "Traceback" not in small_disk.log.read_text()


def test_old_snapshots_go_at_once_when_the_disk_is_full(small_disk):
    laptop = small_disk.laptop()
    entry = laptop.entry(1)
    for number in range(4):  # of other sizes, so that rsync sees a change within one second
        (entry / "data").write_bytes(os.urandom(5_500_000 + number))
        laptop.back_up()
    first = laptop.snapshots()[0]
    (small_disk.backups / "something else").write_bytes(os.urandom(1_500_000))
    deadline = time.monotonic() + 20
    while first in laptop.snapshots():
        assert time.monotonic() < deadline, small_disk.log.read_text()
        time.sleep(0.2)
    (entry / "data").write_bytes(os.urandom(5_500_000))
    laptop.back_up()
    newest = laptop.home / laptop.snapshots()[-1] / entry.relative_to(laptop.journal) / "data"
    assert newest.read_bytes() == (entry / "data").read_bytes()
    assert f"removed {first} of {laptop.serial}" in small_disk.log.read_text()


def test_a_disk_that_is_full_for_the_snapshot(small_disk):
    laptop = small_disk.laptop()
    for number in range(100):
        laptop.entry(number)
    assert laptop.bring(laptop.journal).returncode == 0
    fill = small_disk.backups / "fill"
    fill.mkdir()
    number = 0
    usage = os.statvfs(small_disk.backups)
    while usage.f_ffree > 60:
        (fill / str(number)).touch()
        number += 1
        usage = os.statvfs(small_disk.backups)
    done = laptop.complete()
    assert done.returncode != 0
    assert "No space left" in done.stderr
    assert laptop.snapshots() == []
    assert not (laptop.home / ".new").exists()
    shutil.rmtree(fill)
    laptop.back_up()
    assert len(list((laptop.home / "datastore-latest").glob("??/*/data"))) == 100


def test_a_huge_list_of_files_harms_nobody_else(school):
    laptop, other = school.laptop("SHC00700123"), school.laptop("SHC00700124")
    other.entry(1)
    wide = laptop.journal / ("x" * 200)
    wide.mkdir()
    for number in range(20_000):
        (wide / f"{number:x}").touch()
    argv = ["rsync", "-e", " ".join(laptop.ssh()), "-z", "-rlt", "--partial", "--delete", "--timeout=160"]
    bringing = subprocess.Popen([*argv, f"{laptop.journal}/", "127.0.0.1:datastore-current"])
    other.back_up()
    assert bringing.wait(timeout=60) == 0
    assert laptop.complete().returncode == 0


def test_restoring_takes_a_modern_key_and_ones_own_snapshots(school):
    laptop, other = school.laptop("SHC00700123"), school.laptop("SHC00700124", "rsa")
    entry = laptop.entry(1, "mine")
    laptop.back_up()
    other.entry(2, "other's")
    other.back_up()
    (name,) = laptop.snapshots()
    import json

    assert json.loads(laptop.run("snapshots").stdout) == [{"snapshot": name, "entries": 1}]
    back = laptop.folder / "back"
    for path in (f"snapshots/{name}/", f"snapshots/{name.removeprefix('datastore-')}/"):
        done = laptop.rsync("-rlt", "-z", f"127.0.0.1:{path}", str(back))
        assert done.returncode == 0, done.stderr
        assert (back / entry.relative_to(laptop.journal) / "data").read_text() == "mine"
        shutil.rmtree(back)
    for path in ("snapshots/", "datastore-current/", f"{name}/", "snapshots/../", f"/{laptop.home}/", "documents/"):
        assert laptop.rsync("-rlt", f"127.0.0.1:{path}", str(back)).returncode != 0, path
        assert not back.exists()
    assert other.rsync("-rlt", f"127.0.0.1:snapshots/{other.snapshots()[0]}/", str(back)).returncode != 0
    # A snapshot cannot be written, whatever it is called.
    for path in (f"snapshots/{name}", name, f"{name}/", "datastore-latest/", "snapshots"):
        assert laptop.bring(laptop.journal, path).returncode != 0


def test_the_service_needs_its_sandbox(idle_school, tmp_path):
    school = idle_school
    # A machine where users make no namespaces: bubblewrap inside of a user namespace that may make none.
    hidden = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    script = 'mount --bind /bin/false /usr/bin/bwrap && exec "$@"'
    argv = [*hidden, script, "sh", *school.argv("serve-backups", "--listen", f"127.0.0.1:{school.port}")]
    done = subprocess.run(argv, env=school.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "bubblewrap" in done.stderr
    assert "sandbox = no" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("sandbox", "daemon_runs"), [("yes", True), ("no", False)])
def test_it_runs_as_an_ordinary_user(idle_school, sandbox, daemon_runs):
    """As its unit runs it: owner of the backups, and allowed to read the registrations only."""
    school = idle_school
    source = school.folder / "source"
    leave = shutil.ignore_patterns("__pycache__", "debian")
    shutil.copytree(school.environment()["PYTHONPATH"], source, ignore=leave)
    laptop = school.laptop()
    school.configure(f"sandbox = {sandbox}\n")
    database = sqlite3.connect(school.state / "registrations.db")
    if daemon_runs:
        # Its log lies beside the database, which SQLite does not read without it.
        database.execute("UPDATE registrations SET nick = 'x'")
        database.commit()
        assert (school.state / "registrations.db-wal").stat().st_size
    else:
        database.close()
    subprocess.run(["chgrp", "-R", "65534", school.state], check=True)
    subprocess.run(["chmod", "-R", "u=rwX,g=rX,o=", school.state], check=True)
    subprocess.run(["chown", "-R", "65534:65534", school.backups], check=True)
    school.environment = lambda: {"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    school.start("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    laptop.entry(1)
    laptop.back_up()
    assert len(laptop.snapshots()) == 1
    (laptop.journal / "away").symlink_to(laptop.home)
    assert laptop.bring(laptop.journal).returncode == 0
    assert not (laptop.home / "datastore-current" / "away").exists()
    database.close()


def test_it_takes_systemds_socket_and_tells_that_it_is_ready(idle_school, tmp_path):
    school = idle_school
    laptop = school.laptop()
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(str(tmp_path / "notify"))
    channel.settimeout(20)
    environment = {**school.environment(), "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "900000"}
    activate = ["systemd-socket-activate", "-l", f"127.0.0.1:{school.port}"]
    passed = [f"-E{name}" for name in ("PYTHONPATH", "NOTIFY_SOCKET", "WATCHDOG_USEC")]
    school.process = subprocess.Popen(
        [*activate, *passed, *school.argv("serve-backups")], env=environment, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 20
    while laptop.run("snapshots").stdout != "[]\n" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert channel.recv(100) == b"READY=1"
    assert [channel.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    school.stop()
    seen = {channel.recv(100)}
    while b"STOPPING=1" not in seen:
        seen.add(channel.recv(100))
    channel.close()
