"""A school saved from a real server and restored onto another, through real ssh, sudo, rsync, tar and SQLite."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.copies.conftest import PASSWORD, Deployer, Machine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
CHILD = "ab" * 32
HOME = f"/var/lib/sugar-backup/homes/{CHILD}"

# A child's two snapshots share what did not change; a database is in the middle of its journal; names are odd.
FILL = rf"""
import os, sqlite3, subprocess
home = "{HOME}"
for name, mark in (("datastore-2026-11-01_10:00", b"one"), ("datastore-2026-11-02_10:00", b"two")):
    os.makedirs(home + "/" + name + "/store")
    open(home + "/" + name + "/store/own", "wb").write(mark)
first = home + "/datastore-2026-11-01_10:00/store/photo"
open(first, "wb").write(bytes(range(256)) * 4096)
os.link(first, home + "/datastore-2026-11-02_10:00/store/photo")
open(os.fsencode(home) + b"/datastore-2026-11-02_10:00/store/ni\xf1o", "wb").write(b"latin")
os.symlink("datastore-2026-11-02_10:00", home + "/datastore-latest")
os.makedirs("/var/lib/sugar-backup/keys")
open("/var/lib/sugar-backup/keys/ssh_host_key", "w").write("secret")
os.chmod("/var/lib/sugar-backup/keys/ssh_host_key", 0o600)
open("/var/lib/sugar-library/activities/Own-1.xo", "wb").write(b"bundle")
open("/etc/sugar-server/by-hand.conf", "w").write("[health]\n")
os.makedirs("/var/lib/misc", exist_ok=True)
open("/var/lib/misc/dnsmasq.leases", "w").write("lease")
subprocess.run("chown -R sugar-backup:sugar-server /var/lib/sugar-backup; "
               "chown root:sugar-server /etc/sugar-server/by-hand.conf; chmod 0640 /etc/sugar-server/by-hand.conf; "
               "chown -R sugar-server:sugar-server /var/lib/sugar-library", shell=True, check=True)
"""
WRITER = r"""
import os, sqlite3, time
os.setgid(7001), os.setuid(7002)
database = sqlite3.connect("/var/lib/sugar-server/registrations.db", isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA wal_autocheckpoint=0")
database.execute("CREATE TABLE registrations (fingerprint TEXT)")
database.execute("INSERT INTO registrations VALUES ('ana')")
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def school(old: Machine) -> Machine:
    """The old server as a school has filled it; its daemon has the database open, all of it in the journal yet."""
    old.python(FILL)
    old.ssh(f"nohup python3 -c {_quoted(WRITER)} > /run/writer 2>&1 & "
            "while ! grep -q ready /run/writer; do sleep 0.1; done")  # fmt: skip
    return old


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.fixture
def deployer(tmp_path: Path) -> Deployer:
    return Deployer(tmp_path)


@pytest.fixture(scope="module")
def first_backup(school: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a first backup of the school has written."""
    one = Deployer(tmp_path_factory.mktemp("first"))
    saved = one.run("saved", school)
    assert saved.status == 0, saved.output
    assert saved.result["changed"] is False
    return one.backup


@pytest.fixture
def saved(deployer: Deployer, first_backup: Path) -> Deployer:
    """A deployer who has that backup."""
    deployer.backup.parent.mkdir()
    subprocess.run(["cp", "-a", first_backup, deployer.backup], check=True)
    return deployer


LOOK = r"""cd / && find var/lib/sugar-backup var/lib/sugar-library var/lib/sugar-server etc/sugar-server \
var/lib/misc/dnsmasq.leases ! -name '*-wal' ! -name '*-shm' ! -name '.sugar-deploy*' ! -type d \
-printf '%p %M %u:%g %n %l\n' | sort; sha256sum \
$(find var/lib/sugar-backup var/lib/sugar-library -type f ! -name 'ni*') \
var/lib/misc/dnsmasq.leases etc/sugar-server/by-hand.conf | sort -k2"""


def test_a_school_comes_back_on_new_hardware(school: Machine, new: Machine, saved: Deployer) -> None:
    mode = {path.name: path.stat().st_mode & 0o777 for path in saved.backup.iterdir()}
    assert saved.backup.stat().st_mode & 0o777 == 0o700
    assert {mode[name] for name in mode if name.endswith((".tar", ".json"))} == {0o600}
    assert school.ssh("ls /var/lib/sugar-deploy").split() == ["journal.json"]

    restored = saved.run("restored", new)
    assert restored.status == 0, restored.output
    assert new.ssh(LOOK) == school.ssh(LOOK)
    # The same file, not a copy: the disk has to hold it once.
    assert new.ssh(f"stat -c %h {HOME}/datastore-2*/store/photo").split() == ["2", "2"]
    assert new.ssh(f"readlink {HOME}/datastore-latest").strip() == "datastore-2026-11-02_10:00"
    rows = "import sqlite3; print(sqlite3.connect('/var/lib/sugar-server/registrations.db').execute("
    assert new.python(rows + "'SELECT fingerprint FROM registrations').fetchall())") == "[('ana',)]\n"
    assert new.ssh("ls -A /var/lib/sugar-backup").split() == ["homes", "keys"]

    again = saved.run("restored", new)
    assert (again.status, again.result["changed"]) == (0, False), again.output
    assert "already" in again.warnings


def test_the_second_backup_brings_only_what_is_new_and_loses_nothing(school: Machine, saved: Deployer) -> None:
    tree = saved.backup / "trees" / "var-lib-sugar-backup"
    photo = tree / "homes" / CHILD / "datastore-2026-11-01_10:00" / "store" / "photo"
    before = photo.stat().st_ino
    lost = "datastore-2026-11-02_10:00/store/own"
    school.ssh(f"mv {HOME}/{lost} /run/own; echo new > {HOME}/datastore-2026-11-02_10:00/store/new")
    try:
        assert saved.run("saved", school).status == 0
    finally:
        school.ssh(f"mv /run/own {HOME}/{lost}; rm {HOME}/datastore-2026-11-02_10:00/store/new")
    assert photo.stat().st_ino == before
    assert (tree / "homes" / CHILD / "datastore-2026-11-02_10:00/store/new").read_text() == "new\n"
    assert not (tree / "homes" / CHILD / lost).exists()
    (kept,) = (saved.backup / "gone").glob(f"*/var-lib-sugar-backup/homes/{CHILD}/{lost}")
    assert kept.read_bytes() == b"two"
    assert len(list(saved.backup.glob("*.json"))) == 2


def test_a_server_in_use_is_refused_and_replaced_only_when_told(new: Machine, saved: Deployer) -> None:
    new.ssh(
        f"mkdir -p /var/lib/sugar-backup/homes/{'cd' * 32} && echo work > /var/lib/sugar-backup/homes/{'cd' * 32}/x"
    )
    refused = saved.run("restored", new)
    assert refused.status != 0
    assert "1 of /var/lib/sugar-backup/homes/*" in refused.message and "--replace" in refused.message
    assert new.ssh("ls -A /var/lib/sugar-backup").split() == ["homes"]
    replaced = saved.run("restored", new, replace=True)
    assert replaced.status == 0, replaced.output
    aside = re.search(r"/var/lib/sugar-backup/\.\S+?(?=[,;])", replaced.warnings)
    assert aside is not None, replaced.warnings
    assert new.ssh(f"cat {aside[0]}/homes/{'cd' * 32}/x") == "work\n"
    assert new.ssh("ls /var/lib/sugar-backup/homes").split() == [CHILD]


def test_a_new_server_s_emptiness_takes_no_backup_s_place(school: Machine, new: Machine, saved: Deployer) -> None:
    new.ssh(f"echo {'ef' * 16} > /etc/machine-id")
    refused = saved.run("saved", new)
    assert refused.status != 0
    assert "is not the one whose backups" in refused.message and "Restore first" in refused.message
    assert saved.run("restored", new).status == 0
    again = saved.run("saved", new)
    assert again.status == 0, again.output
    assert (saved.backup / "trees/var-lib-sugar-backup/homes" / CHILD).is_dir()


def test_an_administrator_who_needs_a_password_for_sudo(school: Machine, new: Machine, deployer: Deployer) -> None:
    for each, state in ((school, "saved"), (new, "restored")):
        teresa = Machine(each.folder, each.port, "teresa")
        done = deployer.run(state, teresa, ansible_become_password={"__ansible_unsafe": PASSWORD})
        assert done.status == 0, done.output
        assert "kon-tiki" not in done.output + str(done.events)
    assert new.ssh(LOOK) == school.ssh(LOOK)


def test_a_damaged_backup_is_told_before_anything_is_touched(school: Machine, new: Machine, saved: Deployer) -> None:
    photo = saved.backup / "trees/var-lib-sugar-backup/homes" / CHILD / "datastore-2026-11-01_10:00/store/photo"
    sound, times = photo.read_bytes(), photo.stat()
    with photo.open("r+b") as file:
        file.write(b"rot")
    os.utime(photo, ns=(times.st_atime_ns, times.st_mtime_ns))
    refused = saved.run("restored", new)
    assert refused.status != 0
    assert "1 files" in refused.message and "store/photo" in refused.message and "--check" in refused.message
    assert new.ssh("find /var/lib/sugar-backup -type f") == ""
    # The old server lives: comparing every byte mends what the disk has spoilt.
    assert saved.run("saved", school, check=True).status == 0
    assert photo.read_bytes() == sound
    archive = sorted(saved.backup.glob("*.tar"))[-1]
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    assert "is damaged" in saved.run("restored", new).message


def test_a_backup_killed_half_way_goes_on(school: Machine, new: Machine, deployer: Deployer) -> None:
    school.ssh(f"dd if=/dev/urandom of={HOME}/datastore-2026-11-02_10:00/store/film bs=1M count=96 2>/dev/null; "
               f"chown sugar-backup:sugar-server {HOME}/datastore-2026-11-02_10:00/store/film")  # fmt: skip
    try:
        process, events_in = deployer.start("saved", school)
        trees = deployer.backup / "trees"
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in trees.rglob("*film*")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        os.close(events_in)
        assert list(deployer.backup.glob("*.json")) == []
        # What still works for the dead run soon ends by itself.
        deadline = time.monotonic() + 30
        while "is in use by another" in (refused := deployer.run("restored", new)).message:
            assert time.monotonic() < deadline
        assert "holds no backup" in refused.message
        done = deployer.run("saved", school)
        assert done.status == 0, done.output
        assert deployer.run("restored", new).status == 0
        assert new.ssh(LOOK) == school.ssh(LOOK)
    finally:
        school.ssh(f"rm {HOME}/datastore-2026-11-02_10:00/store/film")


def test_hardware_with_a_small_disk_is_refused(saved: Deployer, small: Callable[[str], Machine]) -> None:
    little = small("70m")
    refused = saved.run("restored", little)
    assert refused.status != 0
    assert "not enough free space" in refused.message
    assert little.ssh("find /var/lib/sugar-backup -type f") == ""


def test_a_full_disk_of_the_deployer_s(school: Machine, deployer: Deployer) -> None:
    stick = deployer.work / "backups"
    stick.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(stick)], check=True)
    try:
        full = deployer.run("saved", school)
        assert full.status != 0
        assert f"there is no room left in {deployer.backup}" in full.message
        assert list(deployer.backup.glob("*.json")) == []
        subprocess.run(["mount", "-o", "remount,size=64m", str(stick)], check=True)
        assert deployer.run("saved", school).status == 0
    finally:
        subprocess.run(["umount", str(stick)], check=True)


def test_newer_data_need_newer_programs(new: Machine, saved: Deployer) -> None:
    new.ssh(r"sed -i '/^Package: rsync$/,/^$/s/^Version: .*/Version: 0.1/' /var/lib/dpkg/status")
    refused = saved.run("restored", new)
    assert refused.status != 0
    assert "rsync is 0.1 here" in refused.message


def test_a_damaged_database_replaces_no_sound_copy(new: Machine, deployer: Deployer) -> None:
    make = "import sqlite3; c = sqlite3.connect('/var/lib/sugar-server/registrations.db'); "
    new.python(make + "c.execute('CREATE TABLE registrations (a)'); "
               "c.executemany('INSERT INTO registrations VALUES (?)', [('x' * 999,)] * 99); c.commit()")  # fmt: skip
    assert deployer.run("saved", new).status == 0
    new.ssh(
        "dd if=/dev/zero of=/var/lib/sugar-server/registrations.db bs=4096 seek=3 count=9 conv=notrunc 2>/dev/null"
    )
    time.sleep(1.1)
    damaged = deployer.run("saved", new)
    assert damaged.status != 0
    assert "registrations.db is damaged" in damaged.message and "restore-database" in damaged.message
    (archive,) = deployer.backup.glob("*.tar")
    subprocess.run(["tar", "-xf", archive, "-C", deployer.work, "var/lib/sugar-server"], check=True)
    kept = sqlite3.connect(deployer.work / "var/lib/sugar-server/registrations.db")
    assert kept.execute("SELECT count(*) FROM registrations").fetchone() == (99,)
