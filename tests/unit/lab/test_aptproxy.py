"""The caching proxy between the machines and the mirror."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sugar_deploy.lab.aptproxy import KEPT_DAYS, Cache, Proxy


class Mirror(BaseHTTPRequestHandler):
    asked: list[str]
    cut = False

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        if "missing" in self.path:
            self.send_error(404)
            return
        body = f"body of {self.path}, {len(type(self).asked)}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + (10 if type(self).cut else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[ThreadingHTTPServer]:
    Mirror.asked, Mirror.cut = [], False
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(tmp_path: Path, mirror: ThreadingHTTPServer) -> Iterator[Path]:
    host = f"127.0.0.1:{mirror.server_address[1]}"
    with Proxy(tmp_path / "socket", Cache(tmp_path / "cache"), {host: "http"}) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield tmp_path / "socket"
        server.shutdown()


def get(proxy: Path, url: str) -> tuple[int, str]:
    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(proxy))

    connection = Connection("proxy", timeout=10)
    connection.request("GET", url)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def url(mirror: ThreadingHTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{mirror.server_address[1]}{path}"


def test_a_package_is_fetched_once(proxy: Path, mirror: ThreadingHTTPServer) -> None:
    package = url(mirror, "/pool/a/a_1_all.deb")
    assert get(proxy, package) == get(proxy, package) == (200, "body of /pool/a/a_1_all.deb, 1")
    assert Mirror.asked == ["/pool/a/a_1_all.deb"]


def test_what_changes_is_asked_for_each_time(proxy: Path, mirror: ThreadingHTTPServer) -> None:
    release = url(mirror, "/dists/trixie/InRelease")
    assert [get(proxy, release)[1][-1] for _ in range(2)] == ["1", "2"]


def test_without_the_mirror_the_last_answer_serves(proxy: Path, mirror: ThreadingHTTPServer) -> None:
    release = url(mirror, "/dists/trixie/InRelease")
    assert get(proxy, release)[0] == 200
    mirror.shutdown()
    mirror.server_close()
    assert get(proxy, release) == (200, "body of /dists/trixie/InRelease, 1")
    assert get(proxy, url(mirror, "/dists/trixie/Release"))[0] == 503


def test_a_broken_transfer_is_not_kept(proxy: Path, mirror: ThreadingHTTPServer, tmp_path: Path) -> None:
    package = url(mirror, "/pool/b/b_1_all.deb")
    Mirror.cut = True
    assert get(proxy, package)[0] == 503
    assert list((tmp_path / "cache").iterdir()) == []
    Mirror.cut = False
    assert get(proxy, package) == (200, "body of /pool/b/b_1_all.deb, 2")


def test_what_the_mirror_lacks_is_said_so(proxy: Path, mirror: ThreadingHTTPServer) -> None:
    assert get(proxy, url(mirror, "/missing.deb"))[0] == 404


@pytest.mark.parametrize("other", ["http://example.org/", "https://127.0.0.1/", "/etc/passwd", "file:///etc/passwd"])
def test_nobody_else_is_asked(proxy: Path, mirror: ThreadingHTTPServer, other: str) -> None:
    assert get(proxy, other)[0] == 403
    assert Mirror.asked == []


def test_what_nobody_asked_for_in_a_month_is_forgotten(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for name, days in (("old", KEPT_DAYS + 1), ("young", KEPT_DAYS - 1)):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (time.time() - days * 86400,) * 2)
    cache.prune(time.time())
    assert [file.name for file in tmp_path.iterdir()] == ["young"]
