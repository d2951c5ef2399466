"""Statistics over HTTP, as a client of sugar-stats speaks."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.error
import urllib.request

import pytest

from .laptop import made_up_key, register


def ask(server, path, body=None):
    request = urllib.request.Request(server.url + path, None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture
def guid(running):
    key = made_up_key()
    assert register(running.url, "SHC00700123", "Ñusta", "", key)["success"] == "OK"
    return hashlib.sha1(key.encode()).hexdigest()


def test_info_upload_and_the_same_upload_again(running, guid):
    status, info = ask(running, f"/user/{guid}?cmd=stats-info")
    assert (status, info["enable"], info["step"], info["status"]) == (200, True, 86400, {})
    assert info["rras"]
    midnight = int(time.time()) // 86400 * 86400
    upload = {"name": "activity.org.laptop.Write", "values": [[midnight, {"uptime": 3600, "never-seen-field": 1}]]}
    for added in (1, 0):
        assert ask(running, f"/user/{guid}?cmd=stats-upload", upload) == (200, {"added": added})
    _, info = ask(running, f"/user/{guid}?cmd=stats-info")
    assert info["status"] == {"activity.org.laptop.Write": midnight + 86400}

    _, sums = ask(running, "/statistics.json")
    assert {(each["field"], each["total"], each["laptops"]) for each in sums} == {
        ("uptime", 3600, 1), ("never-seen-field", 1, 1),
    }  # fmt: skip
    with urllib.request.urlopen(running.url + "/statistics.csv", timeout=10) as answer:
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert len(answer.read().splitlines()) == 3
    printed = running.command("statistics")
    assert "1.0 h  org.laptop.Write" in printed.stdout, printed.stderr


def test_who_is_not_registered_reports_nothing(running, guid):
    for name, expected in (("f" * 40, 403), ("x", 404), (guid[:-1], 404)):
        for body in (None, {"name": "a", "values": []}):
            command = "stats-info" if body is None else "stats-upload"
            assert ask(running, f"/user/{name}?cmd={command}", body)[0] == expected


def test_a_laptop_that_has_just_registered_reports_at_once(running, guid):
    assert ask(running, f"/user/{guid}?cmd=stats-info")[0] == 200
    key = made_up_key()
    register(running.url, "SHC00700124", "x", "", key)
    assert ask(running, f"/user/{hashlib.sha1(key.encode()).hexdigest()}?cmd=stats-info")[0] == 200


def test_what_is_malformed_is_refused(running, guid):
    assert ask(running, f"/user/{guid}?cmd=stats-upload", {"name": "/", "values": []})[0] == 400
    assert ask(running, f"/user/{guid}?cmd=other", {"name": "a", "values": []})[0] == 400
    assert ask(running, f"/user/{guid}")[0] == 400
    for query in ("from=x", "to=2026-13-01", "from=2026-1-1"):
        assert ask(running, f"/statistics.json?{query}")[0] == 400
    assert running.command("statistics", "--from", "2026-02-02", "--to", "2026-02-01").returncode == 1


def test_switched_off(server):
    server.configure("[server]\nfqdn = school.example.pe\n[statistics]\nenabled = no\n")
    server.start()
    key = made_up_key()
    register(server.url, "SHC00700123", "x", "", key)
    guid = hashlib.sha1(key.encode()).hexdigest()
    assert ask(server, f"/user/{guid}?cmd=stats-info")[1]["enable"] is False
    assert ask(server, f"/user/{guid}?cmd=stats-upload", {"name": "a", "values": []})[0] == 403
