"""The registrations of an XS school server are taken over."""

from __future__ import annotations

import os
import re
import sqlite3
import urllib.request

import pytest

from .laptop import made_up_key, register

# As xs-authserver's and idmgr's sources describe it.
SCHEMA = """CREATE TABLE laptops (
    serial varchar(20) NOT NULL PRIMARY KEY, nickname varchar(200) NOT NULL, full_name varchar(100) NOT NULL,
    pubkey text NOT NULL, uuid varchar(100), lastmodified text DEFAULT '1970-11-12 12:34:56', class_group integer)"""
GOOD, NEWER, BOARD = made_up_key(), made_up_key(), made_up_key()
UUID = "D4D6F2A2-7C50-4F3A-9C11-6C6B9C2E7A10"


@pytest.fixture
def identity(tmp_path):
    path = tmp_path / "identity.db"
    with sqlite3.connect(path) as database:
        database.execute(SCHEMA)
        rows = [
            ("SHC00700123", "Ñusta", "Ñusta", GOOD, UUID, "2012-03-01 08:00:00", 3),
            ("SHC00700124", "old nick", "x", NEWER, UUID, "2012-03-01 08:00:00", None),
            (
                "SHF00000000",
                "board\x1b[2J",
                "x",
                BOARD,
                "00000000-0000-0000-0000-000000000000",
                "2013-01-01 00:00:00",
                0,
            ),
            ("../etc", "x", "x", made_up_key(), UUID, "2012-03-01 08:00:00", None),
            ("SHC00700125", "x", "x", "garbage", UUID, "2012-03-01 08:00:00", None),
            ("SHC00700126", "x", "x", made_up_key() + "\nssh-rsa AAAA", UUID, "2012-03-01 08:00:00", None),
            ("SHC00700127", "x", "x", made_up_key(), UUID, "yesterday", None),
            ("SHC00700128", "x", "x", b"\0", UUID, "2012-03-01 08:00:00", None),
        ]
        database.executemany("INSERT INTO laptops VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        database.execute(
            "INSERT INTO laptops (serial, nickname, full_name, pubkey) VALUES ('SHC00700129', 'x', 'x', ?)",
            (made_up_key(),),
        )
    # As on the old server, where it is root's.
    path.chmod(0o600)
    return path


def found(server):
    return {str(row["serial"]): row for row in server.registrations()}


def classes(server):
    """As the page of laptops shows them."""
    with urllib.request.urlopen(server.url + "/laptops", timeout=10) as answer:
        return sorted(re.findall(r"<td><bdi>([^<]*)</bdi></td>", answer.read().decode()))


def test_taken_over(debian_server, identity):
    debian_server.start()
    assert register(debian_server.url, "SHC00700124", "new nick", "", NEWER)["success"] == "OK"
    if os.geteuid() == 0:
        debian_server.stop()
        for path in (debian_server.state, *debian_server.state.iterdir()):
            os.chown(path, 65534, 65534)
    done = debian_server.command("import-idmgr", str(identity))
    assert done.returncode == 0, done.stderr
    *lines, summary = done.stdout.splitlines()
    assert summary == "3 taken over, 1 here already, 5 with faults."
    assert len(lines) == 6
    assert all(line.startswith("left out: ") for line in lines)
    for serial in ("../etc", "SHC00700125", "SHC00700126", "SHC00700127", "SHC00700128", "SHC00700124"):
        assert any(serial in line for line in lines), serial
    rows = found(debian_server)
    assert set(rows) == {"SHC00700123", "SHC00700124", "SHF00000000", "SHC00700129"}
    old = rows["SHC00700123"]
    assert (old["nick"], old["key"], old["pubkey"], old["uuid"]) == ("Ñusta", f"ssh-rsa {GOOD}", GOOD, UUID)
    assert (old["last_at"], old["class_group"], old["state"]) == ("2012-03-01T08:00:00Z", "3", "accepted")
    assert (rows["SHF00000000"]["hardware"], rows["SHF00000000"]["uuid"]) == (False, None)
    assert "\x1b" not in str(rows["SHF00000000"]["nick"])
    assert rows["SHC00700124"]["nick"] == "new nick"
    assert rows["SHC00700129"]["last_at"] == "1970-11-12T12:34:56Z"


def test_the_class_that_pages_show(debian_server, identity):
    debian_server.start()
    assert debian_server.command("import-idmgr", str(identity)).returncode == 0
    assert classes(debian_server) == ["", "", "0", "3"]
    # The school's list wins where it names a class, and else nothing is lost.
    debian_server.configure("serial,group\nSHC00700124,b2\nSHC00700123,\n", "laptops.csv")
    debian_server.configure("[registration]\nlaptops = /etc/sugar-server/laptops.csv\n", "conf.d/laptops.conf")
    debian_server.stop()
    debian_server.start()
    assert classes(debian_server) == ["", "0", "3", "b2"]


def test_again_changes_nothing(debian_server, identity):
    debian_server.start()
    assert debian_server.command("import-idmgr", str(identity)).returncode == 0
    before = debian_server.registrations()
    done = debian_server.command("import-idmgr", str(identity))
    assert done.stdout.splitlines()[-1] == "0 taken over, 4 here already, 5 with faults."
    assert debian_server.registrations() == before
    # Nor does what was taken over keep a child from registering.
    assert register(debian_server.url, "SHC00700123", "x", UUID, GOOD)["success"] == "OK"


def test_what_is_no_identity_db(debian_server, tmp_path):
    debian_server.start()
    garbage, other, narrow = (tmp_path / name for name in ("garbage", "other.db", "narrow.db"))
    garbage.write_bytes(b"x" * 5000)
    for path, statement in ((other, "CREATE TABLE a (b)"), (narrow, "CREATE TABLE laptops (serial)")):
        with sqlite3.connect(path) as database:
            database.execute(statement)
    for path in (garbage, other, narrow, tmp_path / "missing"):
        done = debian_server.command("import-idmgr", str(path))
        assert done.returncode == 1
        assert done.stderr.startswith(f"sugar-server: {path}: ")
        assert "identity.db" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "missing").exists()
