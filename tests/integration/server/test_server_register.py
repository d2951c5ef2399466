"""Registration as laptops see it."""

from __future__ import annotations

import re
import sqlite3
import time
import uuid
import xmlrpc.client

import pytest

from .laptop import made_up_key, raw, register

OK = {
    "success": "OK",
    "jabberserver": "school.example.pe",
    "backupurl": "SHC00700123@school.example.pe:datastore-current",
}
UUID = "D4D6F2A2-7C50-4F3A-9C11-6C6B9C2E7A10"


def refused(answer):
    assert answer["success"] == "ERR"
    assert answer["error"]
    assert set(answer) == {"success", "error"}
    return True


def test_four_and_three_arguments(running, ssh_keys):
    for name, (blob, fingerprint) in ssh_keys.items():
        for pubkey in (blob, f"{blob} child@xo", f"{name} {blob}", f"{name} {blob} child@xo"):
            assert register(running.url, "SHC00700123", "Ñusta", UUID, pubkey) == OK
        assert register(running.url, "SHC00700123", "Ñusta", blob) == OK
        (row,) = (row for row in running.registrations() if row["fingerprint"] == fingerprint)
        assert row["key"] == f"{name} {blob}"
    assert len(running.registrations()) == len(ssh_keys)


def test_ds_backup_finds_the_host(running):
    answer = register(running.url, "SHC00700123", "x", UUID, made_up_key())
    assert re.match(r"^(?:\w+@)?(.+?):", answer["backupurl"]).group(1) == "school.example.pe"


@pytest.mark.parametrize(
    "nick", ["", "Ñandú ਪੰਜਾਬੀ 😀", "<b>&amp;]]>\"'", "a" * 500, "x" * 600, "\x07\x1b[2J\0", "\ud83d"]
)
def test_any_nick(running, nick):
    assert register(running.url, "SHC00700123", nick, UUID, made_up_key()) == OK
    (row,) = running.registrations()
    assert row["nick"] == "".join(c if c.isprintable() else "\ufffd" for c in nick)


def test_the_same_key_is_one_identity_under_its_new_serial(running):
    key = made_up_key()
    for serial in ("ABC12345678", "XYZ23456789"):
        answer = register(running.url, serial, "x", str(uuid.uuid1()), key)
        assert answer["backupurl"].startswith(serial + "@")
    assert [row["serial"] for row in running.registrations()] == ["XYZ23456789"]


def test_boards_without_serial_are_told_apart(running):
    for _ in range(2):
        answer = register(running.url, "SHF00000000", "x", "00000000-0000-0000-0000-000000000000", made_up_key())
        assert answer["success"] == "OK"
    rows = running.registrations()
    assert [(row["serial"], row["hardware"], row["uuid"]) for row in rows] == [("SHF00000000", False, None)] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("SHC00700123",),
        ("SHC00700123", made_up_key()),
        ("SHC00700123", "x", UUID, made_up_key(), "more"),
        (7, "x", UUID, made_up_key()),
        ("SHC00700123", "x", UUID, ["list"]),
        ("SHC00700123", "x", {"a": 1}, made_up_key()),
        ("SHC00700123", "x", UUID, ""),
        ("SHC00700123", "x", UUID, made_up_key() + "\nssh-rsa AAAA"),
        ("SHC00700123", "x", UUID, 'command="reboot" ssh-rsa ' + made_up_key()),
        ("SHC00700123", "x", UUID, "-----BEGIN OPENSSH PRIVATE KEY-----"),
        ("../../etc", "x", UUID, made_up_key()),
        ("", "x", UUID, made_up_key()),
        ("SHC00700123\n", "x", UUID, made_up_key()),
        ("SHC00700123\0", "x", UUID, made_up_key()),
    ],
)
def test_refusals_are_structs_and_write_nothing(running, arguments):
    assert refused(register(running.url, *arguments))
    assert running.registrations() == []


def test_another_method_is_no_fault(running):
    assert refused(xmlrpc.client.ServerProxy(running.url).system.listMethods())


def test_a_failing_database_is_no_fault(debian_server):
    debian_server.start()
    with sqlite3.connect(debian_server.database) as database:
        database.execute("DROP TABLE registrations")
    assert refused(register(debian_server.url, "SHC00700123", "x", UUID, made_up_key()))
    assert "Traceback" in debian_server.log.read_text()


def test_a_busy_database_is_answered_in_time(debian_server):
    debian_server.start()
    database = sqlite3.connect(debian_server.database, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    begin = time.monotonic()
    assert refused(register(debian_server.url, "SHC00700123", "x", UUID, made_up_key()))
    assert time.monotonic() - begin < 8
    database.execute("ROLLBACK")
    assert register(debian_server.url, "SHC00700123", "x", UUID, made_up_key()) == OK


def test_only_listed_laptops(debian_server):
    debian_server.configure("serial,nick\nSHC00700123,x\n", "laptops.csv")
    debian_server.configure(
        "[server]\nfqdn = school.example.pe\n[registration]\nwho = listed\nlaptops = /etc/sugar-server/laptops.csv\n"
    )
    debian_server.start()
    assert refused(register(debian_server.url, "SHC00700124", "x", UUID, made_up_key()))
    assert refused(register(debian_server.url, "SHF00000000", "x", UUID, made_up_key()))
    assert register(debian_server.url, "SHC00700123", "x", UUID, made_up_key()) == OK


def test_switched_off(debian_server):
    debian_server.configure("[registration]\nenabled = no\n")
    debian_server.start()
    assert refused(register(debian_server.url, "SHC00700123", "x", UUID, made_up_key()))


def test_a_reflashed_laptop_is_held_until_approved_and_can_be_forgotten(debian_server):
    debian_server.configure("[registration]\nknown_serial = hold\n", "conf.d/hold.conf")
    debian_server.start()
    old, new = made_up_key(), made_up_key()
    assert register(debian_server.url, "SHC00700123", "x", UUID, old) == OK
    assert refused(register(debian_server.url, "SHC00700123", "x", UUID, new))
    (held,) = (row["fingerprint"] for row in debian_server.registrations() if row["state"] == "held")
    assert debian_server.command("approve", held).returncode == 0
    assert register(debian_server.url, "SHC00700123", "x", UUID, new) == OK
    assert register(debian_server.url, "SHC00700123", "x", UUID, old) == OK
    assert debian_server.command("forget", held).returncode == 0
    assert refused(register(debian_server.url, "SHC00700123", "x", UUID, new))


def test_a_reflashed_laptop_is_rejected(debian_server):
    debian_server.configure("[registration]\nknown_serial = reject\n", "conf.d/reject.conf")
    debian_server.start()
    assert register(debian_server.url, "SHC00700123", "x", UUID, made_up_key()) == OK
    assert refused(register(debian_server.url, "SHC00700123", "x", UUID, made_up_key()))
    assert len(debian_server.registrations()) == 1


def test_refusals_are_logged_on_one_line_each(running):
    forged = "x\nINFO Registered EVIL\x1b[31m\u2028\u202e"
    register(running.url, forged, "x", UUID, made_up_key())
    xmlrpc.client.ServerProxy(running.url).__getattr__(forged)()
    running.stop()
    log = running.log.read_text()
    lines = [line for line in log.splitlines() if "Refused" in line]
    assert len(lines) == 2
    assert all("127.0.0.1" in line for line in lines)
    assert "EVIL" in lines[0]
    assert not any(line.startswith("INFO Registered EVIL") for line in log.splitlines())
    assert not {"\x1b", "\u2028", "\u202e"} & set(log)


def call(body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % size + body


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"garbage", 400),
        (b'<!DOCTYPE a [<!ENTITY b "' + b"c" * 1000 + b'">]><methodCall>' + b"&b;" * 10000 + b"</methodCall>", 400),
        (b"<methodCall>" + b"<value><array><data>" * 10000, 400),
        (b"x" * (256 * 1024 + 1), 413),
        (b"x" * (3 * 1024 * 1024), 413),
    ],
    ids=["garbage", "entities", "deep", "a byte too large", "3 MiB"],
)
def test_hostile_bodies(running, body, status):
    answer = raw(running.address, call(body))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    ((struct,), _) = xmlrpc.client.loads(answer.split(b"\r\n\r\n", 1)[1])
    assert refused(struct)
    assert register(running.url, "SHC00700123", "x", UUID, made_up_key()) == OK


def test_who_hangs_up_half_way_does_no_harm(running):
    for _ in range(20):
        with pytest.raises(TimeoutError):
            raw(running.address, call(b"<methodCall>", 1000), seconds=0.05)
    assert register(running.url, "SHC00700123", "x", UUID, made_up_key()) == OK
    assert "Traceback" not in running.log.read_text()
