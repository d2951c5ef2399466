"""Health, the page, and the manners of HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import sqlite3
import time
from html.parser import HTMLParser

import pytest

from .laptop import made_up_key, raw, register


def ask(server, method, path):
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer, answer.read()


def health(server):
    answer, body = ask(server, "GET", "/health")
    assert answer.headers.get_content_type() == "application/json"
    return answer.status, json.loads(body)


class Page(HTMLParser):
    """The tags of a page, and the text of its headings."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.heading, self._open = [], {}, "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes[tag] = dict(attributes)
        self._open.append(tag)

    def handle_endtag(self, tag):
        while self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if "h1" in self._open:
            self.heading += data


def test_well(running):
    register(running.url, "SHC00700123", "x", "", made_up_key())
    status, report = health(running)
    assert status == 200
    assert report["status"] == "ok"
    assert report["version"] == "0.2.0"
    assert report["registrations"] in {0, 1}  # at most a second old
    assert report["database_writable"] is True
    free = shutil.disk_usage(running.state).free
    assert abs(report["disk_free_bytes"] - free) < 2**30


def test_head(running):
    for path in ("/health", "/"):
        answer, body = ask(running, "HEAD", path)
        assert (answer.status, body) == (200, b"")
        assert int(answer.headers["Content-Length"]) == len(ask(running, "GET", path)[1])


def test_unwell_when_the_disk_is_nearly_full(debian_server):
    debian_server.configure("[health]\nminimum_free_mib = 9999999\n")
    debian_server.start()
    status, report = health(debian_server)
    assert (status, report["status"]) == (503, "unhealthy")
    assert "nearly full" in report["problems"][0]
    done = debian_server.command("health", "--url", debian_server.url + "/health")
    assert done.returncode == 1
    assert "nearly full" in done.stderr


@pytest.mark.parametrize("harm", ["gone", "locked", "broken"])
def test_unwell_when_the_database_cannot_be_written(debian_server, harm):
    debian_server.start()
    database = sqlite3.connect(debian_server.database, isolation_level=None)
    if harm == "gone":
        debian_server.database.unlink()
    elif harm == "locked":
        database.execute("BEGIN EXCLUSIVE")
    else:
        database.execute("DROP TABLE registrations")
    # What was found when the server came up is believed for a second.
    deadline = time.monotonic() + 5
    while (answer := health(debian_server))[0] == 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer[0] == 503
    assert answer[1]["database_writable"] is False


def test_the_page_names_the_school(running):
    answer, body = ask(running, "GET", "/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert len(body) < 10_000
    page = Page(body.decode("utf-8"))
    assert page.heading == "Escuela <b>Ñandú</b> & 1"
    assert page.attributes["html"]["lang"]
    assert {"title", "main", "h1"} <= set(page.tags)
    assert not {"script", "b", "img", "link", "iframe"} & set(page.tags)


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/nowhere", 404, None),
        ("POST", "/nowhere", 404, None),
        ("GET", "/../etc/passwd", 404, None),
        ("PUT", "/", 405, {"GET", "HEAD", "POST"}),
        ("DELETE", "/", 405, {"GET", "HEAD", "POST"}),
        ("POST", "/health", 405, {"GET", "HEAD"}),
        ("GET", "/RPC2", 405, {"POST"}),
    ],
)
def test_not_found_and_not_allowed(running, method, path, status, allowed):
    answer, _ = ask(running, method, path)
    assert answer.status == status
    if allowed:
        assert {word.strip() for word in answer.headers["Allow"].split(",")} == allowed


@pytest.mark.parametrize("path", ["/", "/health", "/nowhere"])
def test_security_headers(running, path):
    headers = ask(running, "GET", path)[0].headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Server" not in headers


def test_garbage_instead_of_http(running):
    assert raw(running.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    # It hangs up while this still sends, so the answer may be lost on the way.
    with contextlib.suppress(ConnectionError):
        endless = b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 10**6 + b"\r\n\r\n"
        assert raw(running.address, endless).startswith(b"HTTP/1.1 4")
    assert health(running)[0] == 200
    assert "Traceback" not in running.log.read_text()


def test_who_says_nothing_is_hung_up_on(server):
    impatient = (
        "import sugar_server.serve as serve, sugar_server.cli as cli, sys;"
        "serve._SECONDS_TO_ASK = 0.3; sys.exit(cli.main(sys.argv[1:]))"
    )
    python, _, _, *words = server.argv("serve", "--listen", f"127.0.0.1:{server.address[1]}")
    server.start([python, "-c", impatient, *words])
    assert raw(server.address, b"", seconds=5) == b""
    assert raw(server.address, b"GET / HT", seconds=5) == b""
    # Nor is patience endless with a second request on the same connection.
    request = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert raw(server.address, request + request[:9], seconds=5).startswith(b"HTTP/1.1 200 ")
    assert health(server)[0] == 200
