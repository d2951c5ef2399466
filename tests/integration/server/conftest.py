"""The daemon as a real process on loopback, under Debian's Python and under this one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from .postgresql import PostgreSQL

SOURCE = Path(__file__).resolve().parents[3] / "packages" / "sugar-server"
OLPC_SECURITY = SOURCE.with_name("olpc-security")
sys.path[:0] = [str(SOURCE), str(OLPC_SECURITY)]
PYTHONS = {"debian": "/usr/bin/python3", "newer": sys.executable}
"""This release's Starlette and uvicorn, and those of the development lock: trixie's."""


class Server:
    """One school server: its settings, its state and, while it runs, its process."""

    def __init__(self, folder: Path, python: str) -> None:
        self.root, self.state, self.log = folder / "root", folder / "state", folder / "log"
        self.state.mkdir()
        self.python = python
        self.process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address: tuple[str, int] = probe.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.configure("[server]\nfqdn = school.example.pe\ntitle = Escuela <b>Ñandú</b> & 1\n")

    @property
    def database(self) -> Path:
        return self.state / "registrations.db"

    def configure(self, text: str, name: str = "sugar-server.conf") -> None:
        path = self.root / "etc" / "sugar-server" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def argv(self, command: str, *words: str) -> list[str]:
        argv = [self.python, "-m", "sugar_server", command, *words]
        if command in {"publish-build", "unpublish-build", "builds"}:
            return [*argv, "--library", str(self.state)]
        state = [] if command in {"check-config", "health"} else ["--state", str(self.state)]
        root = [] if command == "health" or "--root" in words else ["--root", str(self.root)]
        return [*argv, *state, *root]

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{SOURCE}:{OLPC_SECURITY}", "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the other commands, as an administrator does beside the running daemon."""
        argv = self.argv(command, *words)
        return subprocess.run(argv, env=self.environment(), capture_output=True, text=True, check=False)

    def command_bytes(self, command: str) -> bytes:
        """What a command writes that is no text."""
        return subprocess.run(self.argv(command), env=self.environment(), capture_output=True, check=True).stdout

    def registrations(self) -> list[dict[str, object]]:
        return json.loads(self.command("registrations", "--json").stdout)

    def start(self, argv: list[str] | None = None) -> None:
        if argv is None:
            argv = self.argv("serve", "--root", str(self.root), "--listen", f"127.0.0.1:{self.address[1]}")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, env=self.environment(), stdout=log, stderr=log)
        deadline = time.monotonic() + 15
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self.url + "/health", timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the server did not come up:\n{self.log.read_text()}")

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(by)
            self.process.wait(timeout=20)


@contextlib.contextmanager
def new_server(python: str = PYTHONS["debian"]) -> Iterator[Server]:
    """A server that is not started yet; nothing of it is left afterwards."""
    # Not below pytest's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="sugar-server-test-"))
    folder.chmod(0o755)
    server = Server(folder, python)
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(folder)


@pytest.fixture(params=sorted(PYTHONS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Not started yet; on each of the two Pythons."""
    with new_server(PYTHONS[request.param]) as made:
        yield made


@pytest.fixture
def debian_server() -> Iterator[Server]:
    """Not started yet; on Debian's Python only, for what does not depend on the libraries."""
    with new_server() as made:
        yield made


@pytest.fixture(scope="module")
def lasting_server() -> Iterator[Server]:
    """Not started yet; one for all of a file's tests, which leave it as it is."""
    with new_server() as made:
        yield made


@pytest.fixture
def running(server: Server) -> Server:
    server.start()
    return server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    cluster = PostgreSQL()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def kept_in(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Once with the rooms' tables in SQLite files, once in an empty PostgreSQL database, whose URL it gives."""
    from sugar_server.database import keep_in

    url = request.getfixturevalue("postgresql").database() if request.param == "postgresql" else None
    keep_in(url)
    yield url
    keep_in(None)


@pytest.fixture(scope="session")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """By key type: the blob, and the fingerprint that OpenSSH prints."""
    folder = tmp_path_factory.mktemp("keys")
    keys = {}
    for kind in ("rsa", "ed25519", "ecdsa"):
        path = folder / kind
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", path], check=True)
        public = path.with_name(kind + ".pub")
        shown = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True).stdout
        name, blob = public.read_text().split()
        keys[name] = (blob, shown.split()[1])
    return keys
