"""The registrations, in SQLite and in PostgreSQL: one key is one identity, and the policy for a known serial."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import replace

import psycopg2
import pytest
from sugar_server.registration.store import KnownSerial, Outcome, Registration, Store
from sugar_server.writer import Writer

FIRST = Registration(
    fingerprint="SHA256:first",
    key="ssh-ed25519 first",
    pubkey="first",
    serial="SHC00700123",
    hardware=True,
    uuid=None,
    nick="Ñusta",
    address="10.0.0.1",
    at="2026-01-01T00:00:00Z",
)
REFLASHED = replace(FIRST, fingerprint="SHA256:second", key="ssh-ed25519 second", at="2026-01-02T00:00:00Z")


pytestmark = pytest.mark.usefixtures("kept_in")
only_sqlite = pytest.mark.parametrize("kept_in", ["sqlite"], indirect=True)


@pytest.fixture
def store(kept_in, tmp_path):
    opened = Store(tmp_path)
    yield opened
    opened.close()


def held(store):
    return [row["fingerprint"] for row in store.registrations() if row["state"] == "held"]


def accepted(store):
    return {row["fingerprint"]: row["serial"] for row in store.registrations() if row["state"] == "accepted"}


@pytest.mark.parametrize("policy", KnownSerial)
def test_the_same_key_is_one_identity_under_its_new_serial(store, policy):
    store.register(FIRST, policy)
    again = replace(FIRST, serial="QWE00000001", hardware=False, nick="Illari", at="2026-02-02T00:00:00Z")
    assert store.register(again, policy) is Outcome.ACCEPTED
    (row,) = store.registrations()
    assert (row["serial"], row["nick"], row["hardware"]) == ("QWE00000001", "Illari", False)
    assert (row["first_at"], row["last_at"]) == ("2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z")


def test_accept_keeps_both_keys_of_a_serial(store):
    store.register(FIRST, KnownSerial.ACCEPT)
    assert store.register(REFLASHED, KnownSerial.ACCEPT) is Outcome.ACCEPTED
    assert accepted(store) == {"SHA256:first": "SHC00700123", "SHA256:second": "SHC00700123"}


def test_reject_writes_nothing(store):
    store.register(FIRST, KnownSerial.REJECT)
    for serial in ("SHC00700123", "shc00700123"):
        assert store.register(replace(REFLASHED, serial=serial), KnownSerial.REJECT) is Outcome.REJECTED
    assert accepted(store) == {"SHA256:first": "SHC00700123"}
    assert held(store) == []


def test_hold_until_approved(store):
    store.register(FIRST, KnownSerial.HOLD)
    assert store.register(REFLASHED, KnownSerial.HOLD) is Outcome.HELD
    assert store.register(REFLASHED, KnownSerial.HOLD) is Outcome.HELD
    assert held(store) == ["SHA256:second"]
    assert not store.approve("SHA256:first")
    assert store.approve("SHA256:second")
    assert held(store) == []
    assert store.register(REFLASHED, KnownSerial.HOLD) is Outcome.ACCEPTED
    assert store.register(FIRST, KnownSerial.HOLD) is Outcome.ACCEPTED


def test_hold_leaves_the_accepted_registration_of_the_same_key(store):
    store.register(FIRST, KnownSerial.HOLD)
    other = replace(REFLASHED, serial="SHC00700999")
    store.register(other, KnownSerial.HOLD)
    assert store.register(replace(other, serial=FIRST.serial), KnownSerial.HOLD) is Outcome.HELD
    assert accepted(store)["SHA256:second"] == "SHC00700999"


@pytest.mark.parametrize("policy", KnownSerial)
def test_without_a_hardware_serial_there_is_no_conflict(store, policy):
    store.register(replace(FIRST, serial="SHF00000000", hardware=False), policy)
    second = replace(REFLASHED, serial="SHF00000000", hardware=False)
    assert store.register(second, policy) is Outcome.ACCEPTED
    assert len(accepted(store)) == 2


def test_forget(store):
    store.register(FIRST, KnownSerial.HOLD)
    store.register(REFLASHED, KnownSerial.HOLD)
    assert store.forget("SHA256:second")
    assert store.forget("SHA256:first")
    assert not store.forget("SHA256:first")
    assert store.registrations() == []


KEY = Registration(
    **{**vars(FIRST), "fingerprint": "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "key": "of no bytes"}
)
"""The fingerprint is that of the empty blob."""


def test_who_has_and_had_a_serial(store):
    accept = KnownSerial.ACCEPT
    assert store.by_serial("SHC00700123") == []
    store.register(FIRST, accept)
    store.register(REFLASHED, accept)
    assert [found.fingerprint for found in store.by_serial("shc00700123")] == ["SHA256:second", "SHA256:first"]
    store.register(replace(REFLASHED, serial="QWE00000001", class_group="a1", at="2026-01-03T00:00:00Z"), accept)
    first, second = store.by_serial("SHC00700123")
    assert (first.fingerprint, first.serials, first.group) == ("SHA256:first", ("SHC00700123",), None)
    assert (second.serial, second.serials, second.group) == ("QWE00000001", ("QWE00000001", "SHC00700123"), "a1")
    assert store.by_fingerprint("SHA256:second") == second
    assert store.by_fingerprint("SHA256:none") is None
    store.register(replace(REFLASHED, serial="QWE00000001"), accept)
    assert store.by_fingerprint("SHA256:second").group == "a1"


def test_who_is_held_has_no_account(store):
    store.register(FIRST, KnownSerial.HOLD)
    store.register(replace(KEY, at=REFLASHED.at), KnownSerial.HOLD)
    assert [found.fingerprint for found in store.by_serial("SHC00700123")] == ["SHA256:first"]
    assert store.authorized("SHC00700123", b"") is None
    assert store.approve(KEY.fingerprint)
    assert store.authorized("SHC00700123", b"").keys == ("of no bytes",)


def test_who_logs_in(store):
    store.register(KEY, KnownSerial.ACCEPT)
    assert store.authorized("shc00700123", b"").fingerprint == KEY.fingerprint
    assert store.authorized("SHC00700123", b"x") is None
    assert store.authorized("SHC00700124", b"") is None
    # A PC makes a serial up each time, and an attempt that failed has written it down already: the one before counts.
    for number in range(30):
        store.register(
            replace(KEY, serial=f"QWE{number:08}", at=f"2026-02-02T00:00:{number:02}Z"), KnownSerial.ACCEPT
        )
    assert len(store.by_fingerprint(KEY.fingerprint).serials) == 20
    assert store.authorized("QWE00000029", b"") and store.authorized("QWE00000010", b"")
    assert store.authorized("QWE00000009", b"") is None
    # The clock fell back by years: the latest registration is the latest all the same.
    store.register(replace(KEY, serial="ABC00000001", at="1970-01-01T00:00:00Z"), KnownSerial.ACCEPT)
    assert store.authorized("ABC00000001", b"").serial == "ABC00000001"


def test_linked_keys_are_one_identity(store):
    accept = KnownSerial.ACCEPT
    client = replace(KEY, serial="QWE00000001", hardware=False, class_group="a1", at="2025-05-05T00:00:00Z")
    store.register(client, accept)
    assert store.register_linked(replace(FIRST, serial="QWE00000002"), client, accept) is Outcome.ACCEPTED
    identity = store.by_fingerprint(KEY.fingerprint)
    assert identity == store.by_fingerprint("SHA256:first")
    assert identity.keys == ("ssh-ed25519 first", "of no bytes")
    assert identity.linked == (KEY.fingerprint,)
    assert (identity.group, identity.first_at) == ("a1", "2025-05-05T00:00:00Z")
    assert [found.fingerprint for found in store.by_serial("QWE00000001")] == ["SHA256:first"]
    assert store.authorized("QWE00000001", b"") == identity
    assert store.register_linked(REFLASHED, client, accept) is Outcome.ANOTHERS
    assert store.register_linked(client, REFLASHED, accept) is Outcome.ANOTHERS
    assert store.forget(KEY.fingerprint)
    assert store.by_fingerprint(KEY.fingerprint) is None
    assert store.by_fingerprint("SHA256:first").keys == ("ssh-ed25519 first",)


def test_an_owner_with_clients_becomes_a_client(store):
    """Keys that were linked to a key move along with it."""
    accept = KnownSerial.ACCEPT
    store.register_linked(REFLASHED, KEY, accept)
    assert store.register_linked(FIRST, REFLASHED, accept) is Outcome.ACCEPTED
    assert store.by_fingerprint(KEY.fingerprint).fingerprint == "SHA256:first"
    assert set(store.by_fingerprint("SHA256:first").linked) == {KEY.fingerprint, "SHA256:second"}


def test_classes_of_the_list(store):
    store.register(FIRST, KnownSerial.ACCEPT)
    store.register(replace(REFLASHED, serial="shc00700124", class_group="b2", pubkey="second"), KnownSerial.ACCEPT)
    assert store.groups() == {"b2": ["second"]}
    store.assign_groups({"SHC00700123": "a1", "SHC00700999": "c3"})
    assert store.groups() == {"a1": ["first"], "b2": ["second"]}


def test_older_registrations_are_taken_over_and_newer_ones_kept(store):
    store.register(FIRST, KnownSerial.ACCEPT)
    assert not store.import_older(replace(FIRST, nick="older", at="2025-01-01T00:00:00Z"))
    assert not store.import_older(replace(FIRST, nick="same"))
    assert store.by_fingerprint("SHA256:first").nick == "Ñusta"
    assert store.import_older(replace(FIRST, nick="newer", class_group="7", at="2026-03-01T00:00:00Z"))
    assert store.by_fingerprint("SHA256:first").nick == "newer"
    assert store.groups() == {"7": ["first"]}


@only_sqlite
def test_a_database_of_the_first_release_is_taken_over(tmp_path):
    columns = "key, pubkey, serial, hardware, uuid, nick, address, first_at, last_at"
    with contextlib.closing(sqlite3.connect(tmp_path / "registrations.db", isolation_level=None)) as old:
        for table in ("registrations", "held"):
            old.execute(f"CREATE TABLE {table} (fingerprint TEXT PRIMARY KEY, {columns}) WITHOUT ROWID")
        old.execute("CREATE INDEX registrations_serial ON registrations (serial COLLATE NOCASE)")
        old.execute(
            "INSERT INTO registrations VALUES ('SHA256:first', 'ssh-ed25519 first', 'first', 'SHC00700123', 1, NULL, "
            "'Ñusta', '10.0.0.1', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z')"
        )
        old.execute("PRAGMA user_version = 1")
    for _ in range(2):
        with contextlib.closing(Store(tmp_path)) as taken_over:
            assert accepted(taken_over) == {"SHA256:first": "SHC00700123"}
            assert taken_over.register(replace(REFLASHED, serial="shc00700123"), KnownSerial.HOLD) is Outcome.HELD


def test_one_failure_in_a_batch_fails_alone(tmp_path):
    writer = Writer(lambda: Store(tmp_path))
    entered = [replace(FIRST, fingerprint=name) for name in ("SHA256:a", ["not a text"], "SHA256:b")]
    futures = [writer.submit(lambda store, new=new: store.register(new, KnownSerial.ACCEPT)) for new in entered]
    assert futures[0].result(5) is Outcome.ACCEPTED
    with pytest.raises((sqlite3.Error, psycopg2.Error)):
        futures[1].result(5)
    assert futures[2].result(5) is Outcome.ACCEPTED
    writer.close()
    assert not writer.alive
    assert list(accepted(Store(tmp_path))) == ["SHA256:a", "SHA256:b"]
