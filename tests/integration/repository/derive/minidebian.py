"""A small Debian on the loopback: packages, signed indexes of a suite with its security updates, and a web server."""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ARCHITECTURES = ("amd64", "arm64", "i386", "armhf")
DAY = 86400


@dataclass
class Signer:
    """A key of its own, as Debian's archive has one."""

    home: Path

    def __post_init__(self) -> None:
        self.home.mkdir(mode=0o700)
        identity = ["--quick-generate-key", "Debian in Small <archive@mini.invalid>", "ed25519", "sign", "never"]
        self.gpg("--passphrase", "", *identity)
        self.keyring.write_bytes(self.gpg("--export"))

    @property
    def keyring(self) -> Path:
        return self.home / "archive.gpg"

    def gpg(self, *arguments: str, text: bytes = b"") -> bytes:
        return subprocess.run(
            ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *arguments],
            input=text,
            capture_output=True,
            check=True,
        ).stdout

    def close(self) -> None:
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=True)


@dataclass
class MiniDebian:
    """The archive's files; `add` packages, then `release` them."""

    root: Path
    signer: Signer
    stanzas: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Suite with its pocket, and architecture → stanzas of its Packages file."""

    def add(self, suite: str, name: str, version: str = "1", architecture: str = "all", **fields: str) -> bytes:
        """Build a package and list it; a keyword such as Pre_Depends is a field. Its content."""
        deb = build_deb(self.root / "build", name, version, architecture, **fields)
        content = deb.read_bytes()
        file = f"pool/main/{name[0]}/{name}/{deb.name}"
        self.place(file, content)
        control = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
        stanza = f"{control.strip()}\nFilename: {file}\nSize: {len(content)}\n"
        stanza += f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        for listed in ARCHITECTURES if architecture == "all" else (architecture,):
            self.stanzas.setdefault((suite, listed), []).append(stanza)
        return content

    def place(self, file: str, content: bytes) -> None:
        """Put a file onto the mirror."""
        path = self.root / "debian" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def release(self, suite: str = "bookworm", *, since: float = -DAY, until: float = 7 * DAY) -> None:
        """Write and sign the indexes of a suite's three pockets, valid for so many seconds from now."""
        for pocket in ("", "-updates", "-security"):
            name = f"{suite}{pocket}"
            sums = []
            for architecture in ARCHITECTURES:
                text = "\n".join(self.stanzas.get((name, architecture), [])).encode()
                for ending, content in (("", text), (".xz", lzma.compress(text))):
                    file = f"main/binary-{architecture}/Packages{ending}"
                    self.place(f"dists/{name}/{file}", content)
                    sums.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {file}")
            head = f"Origin: Debian\nLabel: Debian\nSuite: {name}\nCodename: {name}\n"
            head += f"Date: {_date(since)}\nValid-Until: {_date(until)}\n"
            head += f"Architectures: all {' '.join(ARCHITECTURES)}\nComponents: main\nSHA256:\n"
            text = (head + "\n".join(sums) + "\n").encode()
            self.place(f"dists/{name}/InRelease", self.signer.gpg("--clearsign", text=text))


def _date(offset: float) -> str:
    return formatdate(time.time() + offset, usegmt=True).replace("GMT", "UTC")


def build_deb(area: Path, name: str, version: str = "1", architecture: str = "all", **fields: str) -> Path:
    """A package with one file of so many bytes as `size` says."""
    size = int(fields.pop("size", "100"))
    tree = area / name
    (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
    (tree / "usr/share" / name).mkdir(parents=True, exist_ok=True)
    seed = hashlib.sha256(f"{name} {version} {architecture}".encode()).digest()
    (tree / "usr/share" / name / "content").write_bytes((seed * (size // 32 + 1))[:size])
    lines = {
        "Package": name,
        "Version": version,
        "Architecture": architecture,
        "Maintainer": "Nobody <n@mini.invalid>",
    }
    lines |= {key.replace("_", "-"): value for key, value in fields.items()} | {"Description": "for a test"}
    (tree / "DEBIAN/control").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    deb = area / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
    subprocess.run(
        ["dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, deb], capture_output=True, check=True
    )
    return deb


@dataclass
class Web:
    """The mirror's web server: what it was asked, and what may go wrong."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """(path, Range) of each request."""
    sent: dict[str, int] = field(default_factory=dict)
    """Bytes sent, by path."""
    instead: Callable[[str], bytes | None] = field(default=lambda _path: None)
    """Gives another content for a path; b"" stands for: there is none."""
    bytes_per_second: float = 0

    def pool(self) -> list[str]:
        """The packages that were asked for."""
        return [path for path, _ in self.asked if "/pool/" in path]


@contextlib.contextmanager
def serve(root: Path) -> Iterator[Web]:
    """A web server that can continue downloads, for the time of a `with`."""
    web = Web()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(root, web))
    server.daemon_threads = True
    web.url = f"http://127.0.0.1:{server.server_port}/debian"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(root: Path, web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = re.sub(r"%([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), self.path)
            wanted = self.headers.get("Range", "")
            web.asked.append((path, wanted))
            content = web.instead(path)
            if content is None:
                file = root / path.lstrip("/")
                content = file.read_bytes() if file.is_file() else b""
            if not content and not (root / path.lstrip("/")).is_file():
                self._head(HTTPStatus.NOT_FOUND, {"Content-Length": "0"})
                return
            match = re.fullmatch(r"bytes=(\d+)-", wanted)
            start = int(match[1]) if match else 0
            if match and start >= len(content):
                self._head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{len(content)}"})
                return
            extra: dict[str, str] = {"Content-Length": str(len(content) - start)}
            if match:
                extra["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._head(HTTPStatus.PARTIAL_CONTENT if match else HTTPStatus.OK, extra)
            self._send(path, content[start:])

        def _head(self, status: HTTPStatus, fields: Mapping[str, str]) -> None:
            self.send_response(status)
            self.send_header("Last-Modified", "Sat, 01 Jan 2022 00:00:00 GMT")
            for name, value in ({"Content-Length": "0"} | dict(fields)).items():
                self.send_header(name, value)
            self.end_headers()

        def _send(self, path: str, content: bytes) -> None:
            for start in range(0, len(content), 65536):
                piece = content[start : start + 65536]
                try:
                    self.wfile.write(piece)
                except OSError:
                    self.close_connection = True
                    return
                web.sent[path] = web.sent.get(path, 0) + len(piece)
                if web.bytes_per_second:
                    time.sleep(len(piece) / web.bytes_per_second)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
