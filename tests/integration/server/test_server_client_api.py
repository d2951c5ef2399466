"""Our own client's requests: registration as JSON, keys that become one identity, and what strangers may learn."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from . import laptop
from .client import Key, ask, proof, register
from .outside import statuses


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    kinds = {"dsa": "dsa", "rsa": "rsa", "owner": "ed25519", "client": "ed25519", "other": "ed25519"}
    return {name: Key(folder, kind, name) for name, kind in kinds.items()}


@pytest.fixture
def school(debian_server):
    debian_server.start()
    return debian_server


def uid(key):
    return hashlib.sha256(base64.b64decode(key.blob)).hexdigest()


def refused(answer):
    assert answer["success"] == "ERR"
    assert answer["error"]
    assert set(answer) == {"success", "error"}
    return answer["error"]


def status_of(server, key):
    return ask(server, "GET", f"/client/status?uid={uid(key)}")


def test_register_status_and_find(running, keys):
    missing = {"success": "OK", "registered": False}
    assert status_of(running, keys["client"]) == (200, missing)
    assert ask(running, "GET", "/client/find?serial=SHC00700123") == (200, missing)
    assert register(running, keys["client"].line + " child@xo") == {
        "success": "OK",
        "uid": uid(keys["client"]),
        "jabberserver": "school.example.pe",
        "backupurl": "SHC00700123@school.example.pe:datastore-current",
    }
    assert status_of(running, keys["client"]) == (
        200,
        {
            "success": "OK",
            "registered": True,
            "jabber-url": "school.example.pe",
            "backup-url": "school.example.pe:datastore-current",
        },
    )
    for query in (f"uid={uid(keys['client'])}", "serial=shc00700123"):
        assert ask(running, "GET", f"/client/find?{query}") == (200, {"success": "OK", "registered": True})
    (row,) = running.registrations()
    assert (row["nick"], row["key"]) == ("Ñusta", keys["client"].line)
    assert row["pubkey"] == keys["client"].blob + " child@xo"


def test_strangers_learn_nothing_of_a_child(running, keys):
    register(running, keys["client"].line, nickname="Secreta", machine_uuid="d4d6f2a2-7c50-4f3a-9c11-6c6b9c2e7a10")
    for path in (
        f"status?uid={uid(keys['client'])}",
        f"find?uid={uid(keys['client'])}",
        "find?serial=SHC00700123",
        "find?serial=SHC%25",
        "find",
        "find?uid=%00&serial=x",
        "nonce",
    ):
        told = json.dumps(ask(running, "GET", f"/client/{path}")[1])
        for secret in ("Secreta", "SHC00700123", "d4d6f2a2", keys["client"].blob, uid(keys["client"])):
            assert secret not in told


@pytest.mark.parametrize("kind", ["dsa", "rsa", "owner"])
def test_a_linked_key_is_the_same_child(running, keys, kind):
    owner, client = keys[kind], keys["client"]
    sugar = laptop.register(running.url, "SHC00700123", "Illari", "", owner.blob)
    assert sugar["success"] == "OK"
    linked = register(running, client.line, "SHC00700124", **proof(running, owner, client))
    assert (linked["success"], linked["uid"]) == ("OK", uid(owner))
    (row,) = running.registrations()
    # Sugar makes the XMPP name of what it sent itself.
    assert (row["key"], row["pubkey"], row["serial"]) == (owner.line, owner.blob, "SHC00700124")
    assert status_of(running, client)[1]["registered"]
    # From now on the client's key alone will do, and Sugar goes on with its own.
    assert register(running, client.line, "SHC00700125")["uid"] == uid(owner)
    assert laptop.register(running.url, "SHC00700126", "Illari", "", owner.blob)["success"] == "OK"
    assert [row["serial"] for row in running.registrations()] == ["SHC00700126"]


def test_a_client_that_was_there_before_moves_to_its_owner(school, keys):
    owner, client = keys["owner"], keys["client"]
    assert register(school, client.line)["uid"] == uid(client)
    first = school.registrations()[0]["first_at"]
    assert register(school, client.line, **proof(school, owner, client))["uid"] == uid(owner)
    (row,) = school.registrations()
    assert (row["key"], row["first_at"]) == (owner.line, first)
    assert status_of(school, client)[1]["registered"]


def test_a_held_serial_is_open_to_a_linked_key(debian_server, keys):
    debian_server.configure("[registration]\nknown_serial = hold\n", "conf.d/hold.conf")
    debian_server.start()
    owner, client = keys["owner"], keys["client"]
    assert laptop.register(debian_server.url, "SHC00700123", "x", "", owner.blob)["success"] == "OK"
    assert "waits for approval" in refused(register(debian_server, client.line))
    assert register(debian_server, client.line, **proof(debian_server, owner, client))["success"] == "OK"
    assert [row["state"] for row in debian_server.registrations()] == ["accepted"]


def test_nobody_links_what_is_not_his(school, keys):
    owner, client, other = keys["owner"], keys["client"], keys["other"]
    laptop.register(school.url, "SHC00700123", "victim", "", owner.blob)
    good = proof(school, owner, client)
    stolen = proof(school, owner, client)
    forged = {
        "signed by another key": {**good, "owner_signature": other.sign(b"x")},
        "without the client's own": {**good, "signature": good["owner_signature"]},
        "another text": {**good, "owner_signature": owner.sign(b"sugar-server-link-1\n")},
        "another nonce": {**good, "nonce": stolen["nonce"]},
        "made-up nonce": {**good, "nonce": "0-" + "0" * 32 + "-" + "0" * 64},
        "no nonce": {**good, "nonce": "\ud800"},
        "not base64": {**good, "signature": "ñ"},
        "endless": {**good, "owner_signature": "A" * 100000},
    }
    for what, parts in forged.items():
        assert refused(register(school, client.line, "SHC00700777", **parts)), what
    # The victim's signature, for a key of his, with a key of mine.
    assert refused(register(school, other.line, "SHC00700777", **good))
    del good["signature"]
    assert "needs" in refused(register(school, client.line, "SHC00700777", **good))
    assert [row["serial"] for row in school.registrations()] == ["SHC00700123"]


def test_a_key_has_one_identity(school, keys):
    owner, client, other = keys["owner"], keys["client"], keys["other"]
    assert register(school, client.line, **proof(school, owner, client))["success"] == "OK"
    for theirs, mine in ((other, client), (client, other)):
        assert "another identity" in refused(register(school, mine.line, **proof(school, theirs, mine)))
    assert register(school, client.line)["uid"] == uid(owner)


REFUSALS = [
    (b"garbage", 400),
    (b"[" * 100000, 400),
    (b"[]", 400),
    (b"9" * 5000, 400),
    (b"\xff", 400),
    (b"x" * (128 * 1024 + 1), 413),
    ({}, 200),
    ({"nickname": "x", "machine_sn": 7, "pubkey": "x"}, 200),
    ({"nickname": "x", "machine_sn": "SHC00700123", "pubkey": ""}, 200),
    ({"nickname": "x", "machine_sn": "../etc", "pubkey": laptop.made_up_key()}, 200),
    ({"nickname": "x", "machine_sn": "SHC00700123", "pubkey": "ssh-rsa"}, 200),
]


def test_refusals(running):
    for body, expected in REFUSALS:
        status, answer = ask(running, "POST", "/client/register", body)
        assert status == expected, body
        assert refused(answer)
    assert running.registrations() == []


def test_a_form_of_another_site_is_refused(school):
    body = {"nickname": "x", "machine_sn": "SHC00700123", "pubkey": laptop.made_up_key()}
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        status, answer = ask(school, "POST", "/client/register", body, **{"Content-Type": kind})
        assert status == 415
        assert refused(answer)


def test_any_nick(running):
    for nick in ("", "\0\x1b", "\ud83d", "😀" * 2000):
        key = laptop.made_up_key()
        assert register(running, key, nickname=nick)["success"] == "OK"
        (row,) = (row for row in running.registrations() if row["key"].endswith(key))
        assert row["nick"] == "".join(c if c.isprintable() else "\ufffd" for c in nick)[:1000]


def test_wrong_requests_are_objects_too(running):
    for method, path, expected in [
        ("GET", "register", 405),
        ("PUT", "status", 405),
        ("DELETE", "find", 405),
        ("GET", "", 404),
        ("POST", "x/y", 404),
    ]:
        status, answer = ask(running, method, f"/client/{path}")
        assert status == expected, path
        assert refused(answer)


def test_groups_are_those_of_the_list(debian_server):
    server = debian_server
    server.configure("serial,group\nSHC00700123,a1\nSHC00700124,\n", "laptops.csv")
    server.configure("[registration]\nlaptops = /etc/sugar-server/laptops.csv\n", "conf.d/laptops.conf")
    server.start()
    pubkeys = [laptop.made_up_key() for _ in range(2)]
    for number, pubkey in enumerate(pubkeys):
        laptop.register(server.url, f"SHC0070012{3 + number}", "x", "", pubkey)
    groups = {"a1": [hashlib.sha1(pubkeys[0].encode()).hexdigest()]}
    assert ask(server, "GET", "/client/groups") == (200, {"success": "OK", "groups": groups})
    # The list's newer edition counts from the daemon's next start.
    server.configure("serial,group\nSHC00700123,b2\n", "laptops.csv")
    server.stop()
    server.start()
    assert list(ask(server, "GET", "/client/groups")[1]["groups"]) == ["b2"]


def test_a_laptop_is_found_by_the_name_of_its_account(running):
    pubkey = laptop.made_up_key()
    account = hashlib.sha1(pubkey.encode()).hexdigest()
    assert ask(running, "GET", f"/client/find?account={account}")[1]["registered"] is False
    laptop.register(running.url, "SHC00700321", "x", "", pubkey)
    assert ask(running, "GET", f"/client/find?account={account}")[1]["registered"] is True


def test_a_linked_key_has_an_account_and_the_childs_class(debian_server, keys):
    owner, client = keys["owner"], keys["client"]
    debian_server.configure("serial,group\nSHC00700123,a1\n", "laptops.csv")
    debian_server.configure("[registration]\nlaptops = /etc/sugar-server/laptops.csv\n", "conf.d/laptops.conf")
    debian_server.start()
    owners, linked = (hashlib.sha1(key.blob.encode()).hexdigest() for key in (owner, client))
    laptop.register(debian_server.url, "SHC00700123", "Illari", "", owner.blob)
    assert ask(debian_server, "GET", f"/client/find?account={linked}")[1]["registered"] is False
    assert register(debian_server, client.line, **proof(debian_server, owner, client))["success"] == "OK"
    for account in (owners, linked):
        assert ask(debian_server, "GET", f"/client/find?account={account}")[1]["registered"] is True
    groups = ask(debian_server, "GET", "/client/groups")[1]["groups"]
    assert {name: sorted(accounts) for name, accounts in groups.items()} == {"a1": sorted([owners, linked])}


def test_groups_are_for_this_machine_only(debian_server):
    assert statuses(debian_server, ("GET", "/client/groups")) == ([200], [403])
