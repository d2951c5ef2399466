"""The daemon with its tables in PostgreSQL, as a master of many schools has them."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

from .laptop import made_up_key, register


def settings(url):
    return f"[server]\nfqdn = school.example.pe\n[database]\nurl = {url}\n"


def health(server):
    try:
        with urllib.request.urlopen(server.url + "/health", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def test_the_daemon_and_its_commands(server, postgresql):
    url = postgresql.database()
    server.configure(settings(url))
    server.start()
    key = made_up_key()
    assert register(server.url, "SHC00700123", "Ñusta", "", key)["success"] == "OK"
    assert postgresql.execute(url, "SELECT serial, key FROM registrations.registrations") == [
        ("SHC00700123", f"ssh-rsa {key}")
    ]
    (row,) = server.registrations()
    assert row["nick"] == "Ñusta"
    assert server.command("forget", str(row["fingerprint"])).returncode == 0
    assert postgresql.execute(url, "SELECT count(*) FROM registrations.registrations") == [(0,)]
    assert not list(server.state.glob("*.db"))


def test_postgresql_goes_away_and_comes_back(debian_server, postgresql):
    debian_server.configure(settings(postgresql.database()))
    debian_server.start()
    assert health(debian_server)["status"] == "ok"
    postgresql.stop()
    try:
        answer = register(debian_server.url, "SHC00700123", "x", "", made_up_key())
        assert (answer["success"], set(answer)) == ("ERR", {"success", "error"})
        # What was found before is believed for a second.
        deadline = time.monotonic() + 5
        while (report := health(debian_server))["database_writable"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert report["database_writable"] is False
        assert "systemctl status postgresql" in report["problems"][0]
    finally:
        postgresql.start()
    assert register(debian_server.url, "SHC00700123", "x", "", made_up_key())["success"] == "OK"
    assert len(debian_server.registrations()) == 1
    assert "Traceback" not in debian_server.log.read_text()


def test_unreachable_at_the_start(debian_server, tmp_path):
    debian_server.configure(settings(f"postgresql:///sugar?host={tmp_path}"))
    for words in (("serve", "--listen", "127.0.0.1:0"), ("registrations",)):
        done = debian_server.command(*words)
        assert done.returncode == 1
        assert done.stderr.startswith("sugar-server: postgresql:///sugar?host=")
        assert "systemctl status postgresql" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_wrong_url_is_not_printed(debian_server):
    debian_server.configure("[database]\nurl = mysql://root:very-secret@host/x\n")
    done = debian_server.command("check-config")
    assert done.returncode == 2
    assert "[database] url: is not a PostgreSQL URL" in done.stderr
    assert "very-secret" not in done.stderr
