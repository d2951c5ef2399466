"""A caching proxy between the lab's machines and this machine's Debian mirror, on a socket in the lab's folder.

    aptproxy.py SOCKET CACHE HOST=SCHEME [HOST=SCHEME …]

What never changes (packages, indexes named by their hash) is kept; the rest is passed through, and kept for days
without a network. Only the mirror's hosts are served: the lab has no way to anywhere else. Standard library only.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import socketserver
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

KEPT_DAYS = 30
_IMMUTABLE = re.compile(r"/by-hash/|\.(?:deb|udeb|dsc|tar\.[a-z0-9]+)$")
_PASSED_ON = ("If-Modified-Since", "Cache-Control")


class Cache:
    """Bodies by URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def file(self, url: str) -> Path:
        """Where this URL's body is, or would be."""
        return self.folder / (hashlib.sha256(url.encode()).hexdigest()[:32] + "-" + url.rpartition("/")[2][:80])

    def prune(self, now: float) -> None:
        """Forget what nobody asked for in KEPT_DAYS."""
        for file in self.folder.iterdir():
            try:
                if file.stat().st_mtime < now - KEPT_DAYS * 86400:
                    file.unlink()
            except FileNotFoundError:
                continue


class Handler(BaseHTTPRequestHandler):
    """GET with an absolute URL, as apt asks its proxy."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def address_string(self) -> str:
        return "machine"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        scheme = self.server.hosts.get(parts.netloc)
        if parts.scheme != "http" or scheme is None:
            self.send_error(403, "Only this machine's Debian mirror is served")
            return
        url = parts._replace(scheme=scheme).geturl()
        kept = self.server.cache.file(url)
        immutable = bool(_IMMUTABLE.search(parts.path))
        if immutable and kept.exists():
            self._send_file(kept)
            return
        try:
            self._fetch(url, kept, immutable=immutable)
        except urllib.error.HTTPError as error:
            self._send_status(error)
        except (OSError, http.client.HTTPException) as error:
            if kept.exists():
                self._send_file(kept)
            else:
                self.send_error(503, f"The mirror does not answer: {type(error).__name__}")

    def _fetch(self, url: str, kept: Path, *, immutable: bool) -> None:
        headers = {} if immutable else {name: self.headers[name] for name in _PASSED_ON if self.headers[name]}
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme comes from the mirror's list
        with self.server.opener.open(request, timeout=60) as answer:
            length = answer.headers.get("Content-Length")
            with tempfile.NamedTemporaryFile(dir=kept.parent, prefix=".", delete=False) as work:
                try:
                    shutil.copyfileobj(answer, work)
                    work.flush()
                    if length is not None and work.tell() != int(length):
                        raise http.client.IncompleteRead(b"")
                    Path(work.name).replace(kept)
                except BaseException:
                    Path(work.name).unlink(missing_ok=True)
                    raise
            modified = answer.headers.get("Last-Modified")
        self._send_file(kept, modified)

    def _send_file(self, file: Path, modified: str | None = None) -> None:
        os.utime(file)
        with file.open("rb") as body:
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(os.fstat(body.fileno()).st_size))
            if modified:
                self.send_header("Last-Modified", modified)
            self.end_headers()
            self._copy(body)

    def _copy(self, body: BinaryIO) -> None:
        try:
            shutil.copyfileobj(body, self.wfile)
        except OSError:
            self.close_connection = True

    def _send_status(self, error: urllib.error.HTTPError) -> None:
        self.send_response(error.code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of what went well."""


class Proxy(socketserver.ThreadingUnixStreamServer):
    """The proxy."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, socket: Path, cache: Cache, hosts: dict[str, str]) -> None:
        self.cache = cache
        self.hosts = hosts
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler(own_proxies()))
        super().__init__(str(socket), Handler)


def own_proxies() -> dict[str, str]:
    """The proxy that this machine's own APT goes through, if any."""
    try:
        said = subprocess.run(
            ("apt-config", "shell", "http", "Acquire::http::Proxy", "https", "Acquire::https::Proxy"),
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return urllib.request.getproxies()
    found = {name: url for name, url in re.findall(r"^(https?)='([^']*)'$", said, re.M) if url not in {"", "DIRECT"}}
    return found or urllib.request.getproxies()


def argv(socket: Path, cache: Path, mirrors: list[str]) -> tuple[str, ...]:
    """The command that serves these mirrors' hosts."""
    hosts = {parts.netloc: parts.scheme for parts in map(urlsplit, mirrors)}
    pairs = (f"{host}={scheme}" for host, scheme in sorted(hosts.items()))
    return (sys.executable, "-I", str(Path(__file__).resolve()), str(socket), str(cache), *pairs)


def main(words: list[str]) -> None:
    """Serve until killed."""
    cache = Cache(Path(words[1]))
    cache.prune(time.time())
    hosts = dict(word.rsplit("=", 1) for word in words[2:])
    with Proxy(Path(words[0]), cache, hosts) as proxy:
        proxy.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
