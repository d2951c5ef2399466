"""A database that is damaged or gone: it is told, and there is a way back."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time

import pytest
from sugar_server.database import Database, UnusableDatabase, copies
from sugar_server.database.keeper import Keeper

from .client import ask
from .laptop import made_up_key, register

STEPS = (("CREATE TABLE things (name TEXT)", "CREATE INDEX things_name ON things (name)"),)
NOW = 1_800_000_000.0
DAY = 24 * 3600


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shelf.db"


@pytest.fixture
def database(path):
    with contextlib.closing(Database(path, STEPS)) as opened:
        yield opened


def names_in(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return [name for (name,) in database.execute("SELECT name FROM things ORDER BY rowid")]


def damage(path, begin=4096):
    """As a worn-out card does: what comes after BEGIN is something else."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(os.urandom(size - begin))


def test_the_latest_three_are_kept(path, database):
    for day in range(5):
        database.run("INSERT INTO things (name) VALUES (?)", str(day))
        copies.make(path, NOW + day * DAY)
    assert [names_in(copy) for copy in copies.copies_of(path)] == [list("01234"), list("0123"), list("012")]
    assert sorted(entry.name for entry in (path.parent / "copies").iterdir()) == [f"shelf.{n}.db" for n in (1, 2, 3)]
    assert copies.copy_of(path, 1).stat().st_mode & 0o007 == 0 or os.umask(0o022) != 0o027


def test_when_a_copy_is_due(path, database):
    assert copies.is_due(path, NOW)
    copies.make(path, NOW)
    assert not copies.is_due(path, NOW + 1)
    assert not copies.is_due(path, NOW + DAY - 1)
    assert copies.is_due(path, NOW + DAY)
    # The clock was years ahead when it was made.
    assert copies.is_due(path, NOW - 10 * 365 * DAY)


def test_it_is_made_while_others_write(path, database):
    with database.transaction():
        database.run("INSERT INTO things (name) VALUES ('not yet')")
        copies.make(path, NOW)
    assert names_in(copies.copy_of(path, 1)) == []


def test_a_damaged_database_drives_no_copy_away(path, database):
    for number in range(500):
        database.run("INSERT INTO things (name) VALUES (?)", f"{number}" * 20)
    keeper = Keeper(path.parent)
    keeper.round()
    assert keeper.problems == []
    before = copies.copy_of(path, 1).read_bytes()
    database.close()
    damage(path)
    os.utime(copies.copy_of(path, 1), (time.time() - DAY, time.time() - DAY))
    for _ in range(4):
        keeper.round()
        assert "sugar-server restore-database" in keeper.problems[0]
    assert copies.copy_of(path, 1).read_bytes() == before
    assert len(copies.copies_of(path)) == 1
    copies.restore(path, copies.copy_of(path, 1))
    keeper.round()
    assert keeper.problems == []


def test_a_copy_leaves_room_for_laptops(path, database, monkeypatch):
    monkeypatch.setattr(copies, "_ROOM_BYTES", 2**60)
    with pytest.raises(UnusableDatabase, match="no room for a copy"):
        copies.make(path, NOW)
    assert copies.copies_of(path) == []


def test_a_missing_database_is_not_made_anew(path, database):
    copies.make(path, NOW)
    database.close()
    path.unlink()
    with pytest.raises(UnusableDatabase, match="restore-database shelf"):
        Database(path, STEPS)
    assert not path.exists()
    assert copies.restore(path, copies.copy_of(path, 1)) is None
    Database(path, STEPS).close()


def test_it_serves_on_with_a_damaged_page_and_tells(debian_server):
    server = debian_server
    server.start()
    for _ in range(100):
        assert register(server.url, "SHC00700123", "Ñusta", "", made_up_key())["success"] == "OK"
    copies.make(server.database, time.time())
    server.stop()
    damage(server.database)
    server.start()
    assert set(register(server.url, "SHC00700123", "x", "", made_up_key())) == {"success", "error"}
    assert ask(server, "GET", "/client/find?serial=SHC00700123")[1]["success"] == "ERR"
    log = server.log.read_text()
    assert "sugar-server restore-database" in log
    assert "Traceback" not in log
    keeper = Keeper(server.state)
    keeper.round()
    assert "restore-database" in keeper.problems[0]


def test_the_way_back(debian_server):
    server = debian_server
    server.start()
    keys = [made_up_key() for _ in range(100)]
    for key in keys:
        assert register(server.url, "SHC00700123", "Ñusta", "", key)["success"] == "OK"
    copies.make(server.database, time.time())
    listed = server.command("restore-database")
    assert listed.stdout.split()[:3] == ["registrations", "copy", "1"]
    running = server.command("restore-database", "registrations")
    assert running.returncode == 1
    assert "systemctl stop sugar-server.socket" in running.stderr
    server.stop()
    damage(server.database, 0)
    for command in (["serve", "--listen", "127.0.0.1:0"], ["registrations"]):
        done = server.command(*command)
        assert done.returncode == 1, done
        assert "sugar-server restore-database" in done.stderr
        assert "Traceback" not in done.stderr
    done = server.command("restore-database", "registrations")
    assert done.returncode == 0, done.stderr
    assert "systemctl start sugar-server.socket" in done.stdout
    assert (server.state / "registrations.db-damaged-1").exists()
    server.start()
    assert {row["pubkey"] for row in server.registrations()} == set(keys)
    assert register(server.url, "SHC00700123", "x", "", made_up_key())["success"] == "OK"


def test_the_latest_sound_copy_is_taken(debian_server):
    server = debian_server
    server.start()
    for day in range(3):
        assert register(server.url, "SHC00700123", "x" * day, "", made_up_key())["success"] == "OK"
        copies.make(server.database, time.time() - (2 - day) * DAY)
    server.stop()
    copies.copy_of(server.database, 1).write_bytes(b"x" * 8192)
    asked = server.command("restore-database", "registrations", "--copy", "1")
    assert asked.returncode == 1
    assert "cannot be used" in asked.stderr
    assert server.command("restore-database", "registrations").returncode == 0
    assert len(server.registrations()) == 2
    assert server.command("restore-database", "registrations", "--copy", "3").returncode == 0
    assert len(server.registrations()) == 1
    for wrong in ("../x", "nothing"):
        done = server.command("restore-database", wrong)
        assert done.returncode == 1
        assert "lists" in done.stderr


def test_the_daemon_makes_copies_and_tells_of_damage(debian_server):
    server = debian_server
    impatient = (
        "import sugar_server.database.keeper as keeper, sugar_server.cli as cli, sys;"
        "keeper._FIRST_SECONDS = keeper._HOUR_SECONDS = 0.2; sys.exit(cli.main(sys.argv[1:]))"
    )
    python, _, _, *words = server.argv("serve", "--listen", f"127.0.0.1:{server.address[1]}")
    server.start([python, "-c", impatient, *words])
    copy = copies.copy_of(server.database, 1)
    wait(copy.exists)
    assert ask(server, "GET", "/health")[0] == 200
    with contextlib.closing(sqlite3.connect(server.database)) as database:
        # An index that lost its entries: nothing but a check finds that.
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'lower(serial)', 'upper(key)') WHERE type = 'index'"
        )
        database.commit()
    key = made_up_key()
    register(server.url, "SHC00700123", "x", "", key)
    os.utime(copy, (0, 0))
    wait(lambda: ask(server, "GET", "/health")[0] == 503)
    assert "no copy of registrations.db is made" in ask(server, "GET", "/health")[1]["problems"][0]
    assert copy.stat().st_mtime == 0


def wait(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_one_daemon_at_a_time(debian_server):
    debian_server.start()
    done = debian_server.command("serve", "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "in use by another sugar-server" in done.stderr
