"""A school's tables brought from SQLite into PostgreSQL, looked at with psycopg2 and sqlite3 past our own code."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import sqlite3
import subprocess
import time
import urllib.request

import psycopg2
import pytest
from sugar_server.database import Database, UnusableDatabase
from sugar_server.database.migration import migrate
from sugar_server.database.postgresql import PostgreSQL

from .laptop import made_up_key, register

BROUGHT = {
    "registrations.registrations": 2,
    "registrations.held": 1,
    "registrations.serials": 2,
    "statistics.sums": 1,
}
NOTHING = dict.fromkeys(BROUGHT, 0)


def settings(url):
    return f"[server]\nfqdn = school.example.pe\n[database]\nurl = {url}\n"


def upload(server, key):
    guid = hashlib.sha1(key.encode()).hexdigest()
    sample = {"name": "activity.org.laptop.Write", "values": [[int(time.time()) // 86400 * 86400, {"uptime": 0.5}]]}
    body = json.dumps(sample).encode()
    urllib.request.urlopen(f"{server.url}/user/{guid}?cmd=stats-upload", body, timeout=10).close()


@pytest.fixture
def school(debian_server):
    """Two accepted registrations, one that waits, one laptop's statistics; not running any more."""
    debian_server.configure("[registration]\nknown_serial = hold\n")
    debian_server.start()
    key = made_up_key()
    register(debian_server.url, "SHC00700123", "Ñusta", "", key)
    register(debian_server.url, "SHC00700124", "قصة", "", made_up_key())
    register(debian_server.url, "SHC00700123", "x", "", made_up_key())
    upload(debian_server, key)
    debian_server.stop()
    return debian_server


def counts(postgresql, url):
    return {table: postgresql.execute(url, f"SELECT count(*) FROM {table}")[0][0] for table in BROUGHT}


def empty_tables(school, url):
    """The daemon has run on the database once, and nobody has registered."""
    school.configure(settings(url))
    state, school.state = school.state, school.state.parent / "elsewhere"
    school.state.mkdir()
    school.start()
    school.stop()
    school.state = state


def test_everything_is_there_and_the_daemon_goes_on_with_it(school, postgresql):
    url = postgresql.database()
    before, files = school.registrations(), {path: path.read_bytes() for path in school.state.glob("*.db")}
    school.configure(settings(url))
    done = school.command("migrate-database")
    assert (done.returncode, done.stderr) == (0, "")
    assert counts(postgresql, url) == BROUGHT
    for table, count in counts(postgresql, url).items():
        assert f"{count:9}  {table}\n" in done.stdout
    assert school.registrations() == before
    assert {row["nick"] for row in before} == {"Ñusta", "قصة", "x"}
    with contextlib.closing(sqlite3.connect(school.state / "statistics.db")) as database:
        assert postgresql.execute(url, "SELECT * FROM statistics.sums") == list(
            database.execute("SELECT * FROM sums")
        )
    assert {path: path.read_bytes() for path in school.state.glob("*.db")} == files
    school.start()
    assert register(school.url, "SHC00700125", "y", "", made_up_key())["success"] == "OK"
    assert counts(postgresql, url)["registrations.registrations"] == 3
    school.stop()
    # What has rows is left alone.
    again = school.command("migrate-database")
    assert again.returncode == 1
    assert "is not empty" in again.stderr
    assert counts(postgresql, url)["registrations.registrations"] == 3


def test_the_running_daemon_is_left_alone(school, postgresql):
    school.configure(settings("postgresql:///nowhere"))
    assert "Where to?" not in school.command("migrate-database").stderr
    school.configure("[server]\nfqdn = school.example.pe\n")
    done = school.command("migrate-database")
    assert (done.returncode, "Where to?" in done.stderr) == (1, True)
    school.start()
    school.configure(settings(postgresql.database()))
    done = school.command("migrate-database")
    assert (done.returncode, "is in use by another sugar-server" in done.stderr) == (1, True)


def test_killed_in_the_middle_and_done_again(school, postgresql):
    url = postgresql.database()
    empty_tables(school, url)
    with contextlib.closing(psycopg2.connect(url)) as other:
        # The registrations' rows are sent already when it waits for the statistics' table.
        other.cursor().execute("LOCK TABLE statistics.sums IN ACCESS EXCLUSIVE MODE")
        migrating = subprocess.Popen(school.argv("migrate-database"), env=school.environment())
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        deadline = time.monotonic() + 15
        while postgresql.execute(url, waiting) == [(0,)]:
            assert migrating.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        migrating.send_signal(signal.SIGKILL)
        migrating.wait()
    assert counts(postgresql, url) == NOTHING
    assert school.command("migrate-database").returncode == 0
    assert counts(postgresql, url) == BROUGHT


def test_what_postgresql_does_not_take_leaves_nothing_there(school, postgresql):
    with contextlib.closing(sqlite3.connect(school.state / "statistics.db")) as database, database:
        database.execute("UPDATE sums SET field = ?", ["a\0b"])
    url = postgresql.database()
    school.configure(settings(url))
    done = school.command("migrate-database")
    assert done.returncode == 1
    assert "statistics.sums" in done.stderr
    assert "Traceback" not in done.stderr
    assert counts(postgresql, url) == NOTHING


def test_a_damaged_file_is_told(school, postgresql):
    path = school.state / "registrations.db"
    path.write_bytes(path.read_bytes()[:4096] + b"x" * 8192)
    url = postgresql.database()
    school.configure(settings(url))
    done = school.command("migrate-database")
    assert done.returncode == 1
    assert "registrations.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_keys_that_the_database_counts_go_on(tmp_path, postgresql):
    steps = (("CREATE TABLE things (id INTEGER PRIMARY KEY, what TEXT, raw BLOB)",),)
    url = postgresql.database()
    with contextlib.closing(Database(tmp_path / "shelf.db", steps)) as database:
        for number in range(1200):
            database.run("INSERT INTO things (what, raw) VALUES (?, ?)", f"{number} %s", bytes([number % 256]))
    assert migrate(tmp_path, url, {"shelf.db": steps}) == {"shelf.things": 1200}
    with contextlib.closing(Database(tmp_path / "shelf.db", steps, PostgreSQL(url, "shelf"))) as database:
        database.run("INSERT INTO things (what) VALUES (?)", "one more")
        assert database.rows("SELECT id FROM things WHERE what = ?", "one more") == [{"id": 1201}]
        assert database.rows("SELECT raw FROM things WHERE id = ?", 256) == [{"raw": b"\xff"}]


def test_a_file_of_no_room_is_told(tmp_path):
    (tmp_path / "mine.db").touch()
    with pytest.raises(UnusableDatabase, match=r"mine\.db is no room's database"):
        migrate(tmp_path, "postgresql:///nowhere", {})
