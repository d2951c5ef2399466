"""The backups' addresses on the web, asked as ds-backup and Sugar ask them."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import urllib.error
import urllib.request
import zipfile

import pytest

from .laptop import made_up_key, raw, register

SERIAL = "SHC00700123"
UID = "3fb2b1f0-1111-4222-8333-123456789abc"
PNG = b"\x89PNG\r\n\x1a\nnot quite"


def ask(server, path: str) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(server.url + path, timeout=10) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read(), dict(error.headers)


@pytest.fixture
def school(server):
    server.backups = server.root.parent / "backups"
    server.backups.mkdir()
    server.settings = f"[backup]\nfolder = {server.backups}\nmost_load = 1000\nmost_used_percent = 100\n"
    server.configure(server.settings)
    return server


def home_of(school, serial: str = SERIAL):
    """The home of a registered laptop, as its identity is written in the database."""
    import base64

    with sqlite3.connect(school.database) as database:
        (fingerprint,) = database.execute(
            "SELECT fingerprint FROM registrations WHERE serial = ?", (serial,)
        ).fetchone()
    digest = fingerprint.partition(":")[2]
    home = school.backups / "homes" / base64.b64decode(digest + "=").hex()
    home.mkdir(parents=True)
    (home / ".serial").write_text(serial)
    return home


def test_available(school):
    school.start()
    assert register(school.url, SERIAL, "x", "", made_up_key())["success"] == "OK"
    status, body, headers = ask(school, f"/backup/1/available/{SERIAL}")
    assert (status, body) == (200, b"")
    assert headers["content-type"].startswith("text/plain")
    for unknown in ("SHC00700999", "../x", "", f"{SERIAL}/", "%2e%2e/x", "a%00b", "%ff"):
        assert ask(school, f"/backup/1/available/{unknown}")[0] == 403, unknown
    assert b" 403 " in raw(school.address, b"GET /backup/1/available/../x HTTP/1.0\r\n\r\n").split(b"\r\n")[0]


@pytest.mark.parametrize("setting", ["enabled = no", "most_used_percent = 1", "folder = /nowhere"])
def test_not_available(school, setting):
    lines = [line for line in school.settings.splitlines() if line.split("=")[0] != setting.split("=")[0]]
    lines = [line for line in lines if not line.startswith(setting.split(" ")[0])]
    school.configure("\n".join([*lines, setting]))
    school.start()
    register(school.url, SERIAL, "x", "", made_up_key())
    status = ask(school, f"/backup/1/available/{SERIAL}")[0]
    assert status == (403 if setting.startswith("enabled") else 503)


def test_no_more_than_the_recent_ones_and_a_slot_says_when(school):
    school.start()
    serials = [f"SHC007001{number:02}" for number in range(13)]
    for serial in serials:
        register(school.url, serial, "x", "", made_up_key())
    for serial in serials[:11]:
        assert ask(school, f"/backup/1/available/{serial}")[0] == 200
    assert ask(school, f"/backup/1/available/{serials[11]}")[0] == 503
    status, body, headers = ask(school, f"/backup/1/slot/{serials[12]}")
    assert status == 503
    answer = json.loads(body)
    assert answer["slot"] is False
    assert 300 <= answer["retry_after_seconds"] <= 1800
    assert headers["retry-after"] == str(answer["retry_after_seconds"])
    # Others are told another time.
    others = {json.loads(ask(school, f"/backup/1/slot/{serials[12]}")[1])["retry_after_seconds"] for _ in range(8)}
    assert len(others) > 1


def test_a_slot(school):
    school.start()
    register(school.url, SERIAL, "x", "", made_up_key())
    status, body, _ = ask(school, f"/backup/1/slot/{SERIAL}")
    assert (status, json.loads(body)) == (200, {"slot": True, "port": 2222})


def layout_6(datastore):
    metadata = datastore / UID[:2] / UID / "metadata"
    metadata.mkdir(parents=True)
    (metadata.parent / "data").write_bytes(b"the file" * 200_000)
    for name, value in {
        "title": "Dibujo <ñ>".encode(),
        "timestamp": b"1262304000",
        "uid": UID.encode(),
        "mountpoint": b"/media/stick",
        "activity": b"org.laptop.Oficina",
        "preview": PNG,
        "broken": b"\xff\xfe",
        ".half": b"written",
    }.items():
        (metadata / name).write_bytes(value)


def layout_0(datastore):
    store = datastore / "store"
    (store / "preview").mkdir(parents=True)
    (store / UID).write_bytes(b"the file" * 200_000)
    values = {"title": "Dibujo <ñ>", "timestamp": 1262304000, "uid": UID, "mountpoint": "/media/stick"}
    values.update(activity="org.laptop.Oficina", broken=[1], odd=None)
    (store / f"{UID}.metadata").write_text(json.dumps(values))
    (store / "preview" / UID).write_bytes(PNG)


@pytest.mark.parametrize("layout", [layout_6, layout_0])
def test_one_entry_as_a_bundle(school, layout):
    school.start()
    register(school.url, SERIAL, "x", "", made_up_key())
    home = home_of(school)
    layout(home / "datastore-2026-01-31_12:00")
    base = f"/ds-restore/{SERIAL}"
    address = f"{base}/datastore-2026-01-31_12:00/{UID}"
    for path in (base, f"{base}/datastore-2026-01-31_12:00", address, f"{address}?token=9999999999.{'0' * 64}"):
        assert ask(school, path)[0] == 404, path
    token = token_for(school, home.name)
    status, body, _ = ask(school, f"{base}?token={token}")
    assert json.loads(body) == [{"identity": home.name, "snapshot": "datastore-2026-01-31_12:00", "entries": 1}]
    (listed,) = json.loads(ask(school, f"{base}/datastore-2026-01-31_12:00?token={token}")[1])
    assert (listed["uid"], listed["title"], int(listed["timestamp"])) == (UID, "Dibujo <ñ>", 1262304000)
    status, body, headers = ask(school, f"{address}?token={token}")
    assert status == 200
    assert headers["content-type"] == "application/vnd.olpc-journal-entry"
    with zipfile.ZipFile(io.BytesIO(body)) as bundle:
        assert bundle.testzip() is None
        assert set(bundle.namelist()) == {f"{UID}/{UID}", f"{UID}/_metadata.json", f"{UID}/preview/{UID}"}
        assert bundle.read(f"{UID}/{UID}") == b"the file" * 200_000
        assert bundle.read(f"{UID}/preview/{UID}") == PNG
        metadata = json.loads(bundle.read(f"{UID}/_metadata.json"))
    assert {name: str(value) for name, value in metadata.items()} == {
        "title": "Dibujo <ñ>",
        "timestamp": "1262304000",
        "activity": "org.laptop.Oficina",
    }


def token_for(school, identity: str) -> str:
    code = (
        "import sys; from pathlib import Path; from sugar_server.backup.tokens import Tokens; "
        "print(Tokens.of(Path(sys.argv[1])).make(sys.argv[2], 60))"
    )
    argv = [school.python, "-c", code, str(school.state), identity]
    return subprocess.run(argv, env=school.environment(), capture_output=True, text=True, check=True).stdout.strip()


def test_an_entry_without_a_file_has_an_empty_one(school):
    school.start()
    register(school.url, SERIAL, "x", "", made_up_key())
    home = home_of(school)
    layout_6(home / "datastore-2026-01-31_12:00")
    entry = home / "datastore-2026-01-31_12:00" / UID[:2] / UID
    (entry / "data").unlink()
    (entry / "data").symlink_to("/etc/passwd")
    address = f"/ds-restore/{SERIAL}/datastore-2026-01-31_12:00/{UID}?token={token_for(school, home.name)}"
    with zipfile.ZipFile(io.BytesIO(ask(school, address)[1])) as bundle:
        assert bundle.read(f"{UID}/{UID}") == b""


def test_a_token_is_for_one_child_and_for_a_while(school):
    school.start()
    register(school.url, SERIAL, "x", "", made_up_key())
    register(school.url, "SHC00700124", "x", "", made_up_key())
    one, two = home_of(school), home_of(school, "SHC00700124")
    for home in (one, two):
        layout_6(home / "datastore-2026-01-31_12:00")
    token = token_for(school, one.name)
    assert ask(school, f"/ds-restore/{SERIAL}?token={token}")[0] == 200
    assert ask(school, f"/ds-restore/SHC00700124?token={token}")[0] == 404
    until, _, signature = token.partition(".")
    assert ask(school, f"/ds-restore/{SERIAL}?token={int(until) + 1}.{signature}")[0] == 404


def test_hostile_addresses(school):
    school.start()
    register(school.url, SERIAL, "x", "", made_up_key())
    home = home_of(school)
    layout_6(home / "datastore-2026-01-31_12:00")
    token = token_for(school, home.name)
    for path in (
        "/ds-restore/..%2f..%2fetc",
        f"/ds-restore/{SERIAL}/datastore-current",
        f"/ds-restore/{SERIAL}/datastore-latest",
        f"/ds-restore/{SERIAL}/..%2f..",
        f"/ds-restore/{SERIAL}/datastore-2026-01-31_12:00/..%2f..%2f..%2f..%2fetc%2fpasswd",
        f"/ds-restore/{SERIAL}/datastore-2026-01-31_12:00/{'a' * 36}",
        f"/ds-restore/{SERIAL}/datastore-2026-01-31_12:00/%00{'a' * 35}",
        f"/ds-restore/{SERIAL}/datastore-2026-99-31_12:00/{UID}",
        f"/ds-restore/{home.name[:10]}",
    ):
        assert ask(school, f"{path}?token={token}")[0] == 404, path
    assert "Traceback" not in school.log.read_text()
