"""A room's tables: the same promises in SQLite and in PostgreSQL."""

from __future__ import annotations

import contextlib
import sqlite3
import threading

import psycopg2
import pytest
from sugar_server.database import Database, UnusableDatabase, keep_in, probe
from sugar_server.writer import Writer

STEPS = (
    (
        "CREATE TABLE things (id INTEGER PRIMARY KEY, -- a child's, 100 % sure?\n"
        "name TEXT, size INTEGER, ratio REAL, raw BLOB)",
    ),
)
only_sqlite = pytest.mark.parametrize("kept_in", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("kept_in", ["postgresql"], indirect=True)


@pytest.fixture
def path(kept_in, tmp_path):
    return tmp_path / "shelf.db"


@pytest.fixture
def database(path):
    with contextlib.closing(Database(path, STEPS)) as opened:
        yield opened


def names(database):
    return [row["name"] for row in database.rows("SELECT name FROM things ORDER BY id")]


def test_what_goes_in_comes_out(database):
    values = ("100 % '?' Ñ", 2**40 + 1, 1732190400.123456, b"\0\xff")
    assert database.run("INSERT INTO things (name, size, ratio, raw) VALUES (?, ?, ?, ?)", *values) == 1
    (row,) = database.rows("SELECT *, '%?' AS sign FROM things WHERE name LIKE '100 %' AND size > ?", 2**40)
    assert row == dict(zip(["id", "name", "size", "ratio", "raw", "sign"], [1, *values, "%?"], strict=True))


def test_sums_are_whole_numbers_and_truths_are_too(database):
    for size in (2**40, True):
        database.run("INSERT INTO things (size) VALUES (?)", size)
    (row,) = database.rows("SELECT sum(size) AS total, sum(ratio) AS none FROM things")
    assert row == {"total": 2**40 + 1, "none": None}
    assert type(row["total"]) is int


def test_texts_are_sorted_byte_by_byte(database):
    for name in ("b", "Z", "é", "a", "_"):
        database.run("INSERT INTO things (name) VALUES (?)", name)
    rows = database.rows("SELECT name FROM things ORDER BY name")
    assert [row["name"] for row in rows] == ["Z", "_", "a", "b", "é"]


def test_a_conflict_updates(database):
    for name in ("old", "new"):
        database.run(
            "INSERT INTO things (id, name) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name", 7, name
        )
    assert names(database) == ["new"]
    assert database.run("DELETE FROM things WHERE id = ?", 8) == 0


def test_a_transaction_is_whole_or_nothing(database):
    with pytest.raises(KeyError), database.transaction():
        database.run("INSERT INTO things (name) VALUES ('a')")
        raise KeyError
    assert names(database) == []
    with database.transaction():
        database.run("INSERT INTO things (name) VALUES ('a')")
        with pytest.raises((sqlite3.Error, psycopg2.Error)), database.part():
            database.run("INSERT INTO things (name) VALUES ('b')")
            database.run("INSERT INTO nowhere VALUES (1)")
        with database.part():
            database.run("INSERT INTO things (name) VALUES ('c')")
    assert names(database) == ["a", "c"]


def test_no_part_without_a_transaction(database):
    with pytest.raises(UnusableDatabase, match="transaction was lost"), database.part():
        database.run("INSERT INTO things (name) VALUES ('a')")
    assert names(database) == []


def test_one_at_a_time_writes_to_a_room(database, path):
    database.run("INSERT INTO things (size) VALUES (0)")

    def count():
        with contextlib.closing(Database(path, STEPS)) as mine:
            for _ in range(20):
                with mine.transaction():
                    size = mine.rows("SELECT size FROM things")[0]["size"]
                    mine.run("UPDATE things SET size = ?", size + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert database.rows("SELECT size FROM things") == [{"size": 80}]


def test_who_keeps_it_for_himself_is_told_of(database, path, monkeypatch):
    monkeypatch.setattr("sugar_server.database.sqlite._SECONDS_TO_WAIT", 0.2)
    monkeypatch.setattr("sugar_server.database.postgresql._OPTIONS", ("-c lock_timeout=200",))
    with contextlib.closing(Database(path, STEPS)) as other:
        told = pytest.raises(UnusableDatabase, match="Another program keeps")
        with database.transaction(), told, other.transaction():
            pass
        assert other.run("INSERT INTO things (name) VALUES ('a')") == 1


def test_steps_are_taken_once_and_a_newer_format_is_left_alone(path, database):
    database.run("INSERT INTO things (name) VALUES ('kept')")
    newer = (*STEPS, ("ALTER TABLE things ADD COLUMN colour TEXT", "UPDATE things SET colour = 'red'"))
    for _ in range(2):
        with contextlib.closing(Database(path, newer)) as taken_over:
            assert taken_over.rows("SELECT name, colour FROM things") == [{"name": "kept", "colour": "red"}]
    with pytest.raises(UnusableDatabase, match="newer sugar-server"):
        Database(path, STEPS)


def test_a_failing_step_leaves_nothing(path, database):
    wrong = (*STEPS, ("ALTER TABLE things ADD COLUMN colour TEXT", "UPDATE nowhere SET colour = 'red'"))
    with pytest.raises((sqlite3.Error, psycopg2.Error)):
        Database(path, wrong)
    with contextlib.closing(Database(path, STEPS)) as again:
        assert (
            "colour"
            not in (again.run("INSERT INTO things (id) VALUES (1)"), again.rows("SELECT * FROM things"))[1][0]
        )


def test_rooms_are_apart(path, database):
    with contextlib.closing(Database(path.with_name("other.db"), STEPS)) as other:
        database.run("INSERT INTO things (name) VALUES ('a')")
        assert names(other) == []


def test_a_probe_changes_nothing_and_notices_a_missing_table(path, database):
    database.run("INSERT INTO things (name) VALUES ('a')")
    assert probe(path, "SELECT count(*) AS count FROM things", "DELETE FROM things") == [{"count": 1}]
    assert names(database) == ["a"]
    with pytest.raises(UnusableDatabase, match="cannot be used"):
        probe(path, "SELECT count(*) AS count FROM nowhere", "DELETE FROM things")
    with pytest.raises(UnusableDatabase, match="cannot be used"):
        probe(path.with_name("missing.db"), "SELECT count(*) AS count FROM things", "DELETE FROM things")


def test_a_batch_with_a_failure(path, kept_in):
    class Things:
        def __init__(self):
            self.database = Database(path, STEPS)
            self.transaction, self.part = self.database.transaction, self.database.part
            self.close = self.database.close

    gate = threading.Event()
    writer = Writer(Things)
    writer.submit(lambda _: gate.wait(5))
    statements = ["INSERT INTO things (name) VALUES ('a')", "no SQL", "INSERT INTO things (name) VALUES ('b')"]
    futures = [writer.submit(lambda things, text=text: things.database.run(text)) for text in statements]
    gate.set()
    assert futures[0].result(5) == futures[2].result(5) == 1
    with pytest.raises((sqlite3.Error, psycopg2.Error)):
        futures[1].result(5)
    writer.close()
    with contextlib.closing(Database(path, STEPS)) as opened:
        assert names(opened) == ["a", "b"]


@only_sqlite
def test_commits_reach_the_disk(database):
    assert database.rows("PRAGMA journal_mode")[0]["journal_mode"] == "wal"
    assert database.rows("PRAGMA synchronous")[0]["synchronous"] == 2


@only_sqlite
def test_a_damaged_file_is_told(path):
    path.write_bytes(b"x" * 8192)
    with pytest.raises(UnusableDatabase, match=r"shelf\.db: cannot be used .*sugar-server restore-database"):
        Database(path, STEPS)


@only_postgresql
def test_postgresql_commits_reach_the_disk(database):
    assert database.rows("SELECT current_setting('synchronous_commit') AS value") == [{"value": "on"}]


@only_postgresql
def test_a_statement_that_failed_unseen_does_not_look_written(database):
    with pytest.raises(psycopg2.InternalError, match="Nothing of it is kept"), database.transaction():
        database.run("INSERT INTO things (name) VALUES ('a')")
        with contextlib.suppress(psycopg2.Error):
            database.run("INSERT INTO nowhere VALUES (1)")
    assert names(database) == []


@only_postgresql
def test_a_restarted_postgresql_is_found_again(postgresql, database):
    database.run("INSERT INTO things (name) VALUES ('before')")
    postgresql.stop()
    with pytest.raises(UnusableDatabase, match="systemctl status postgresql"), database.transaction():
        database.run("INSERT INTO things (name) VALUES ('lost')")
    with pytest.raises(UnusableDatabase, match="systemctl status postgresql"):
        names(database)
    postgresql.start()
    assert names(database) == ["before"]
    postgresql.stop()
    postgresql.start()
    with database.transaction():
        database.run("INSERT INTO things (name) VALUES ('after')")
    assert names(database) == ["before", "after"]


@only_postgresql
def test_a_connection_lost_within_a_transaction_keeps_nothing(kept_in, postgresql, database):
    with pytest.raises(UnusableDatabase), database.transaction():
        database.run("INSERT INTO things (name) VALUES ('a')")
        postgresql.execute(
            kept_in, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
        with contextlib.suppress(UnusableDatabase), database.part():
            database.run("INSERT INTO things (name) VALUES ('b')")
        with database.part():
            database.run("INSERT INTO things (name) VALUES ('c')")
    assert names(database) == []


def test_unreachable_and_refused(tmp_path, postgresql):
    try:
        keep_in(f"postgresql://sugar:very-secret@/x?host={tmp_path}")
        with pytest.raises(UnusableDatabase, match="systemctl status postgresql") as caught:
            Database(tmp_path / "shelf.db", STEPS)
        assert "very-secret" not in str(caught.value)
        postgresql.execute("postgres", "CREATE ROLE guest LOGIN")
        keep_in(postgresql.database().replace("sugar@", "guest@"))
        with pytest.raises(UnusableDatabase, match=r"permission denied.*role's rights"):
            Database(tmp_path / "shelf.db", STEPS)
    finally:
        keep_in(None)
