"""The backups' service as a real process on loopback, and laptops with the real ssh and rsync."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "packages" / "sugar-server"
sys.path.insert(0, str(SOURCE))
PYTHONS = {"debian": "/usr/bin/python3", "newer": sys.executable}
"""This release's asyncssh, and that of the development lock: trixie's."""
# What OpenSSH 5 on an XO offers and takes, said to this machine's client.
OLD_CLIENT = [
    *("-o", "HostKeyAlgorithms=ssh-rsa", "-o", "PubkeyAcceptedAlgorithms=ssh-dss,ssh-rsa"),
    *("-o", "KexAlgorithms=diffie-hellman-group14-sha1", "-o", "Ciphers=aes128-cbc", "-o", "MACs=hmac-sha1"),
]


_HOST_KEYS = Path(tempfile.mkdtemp(prefix="sugar-backup-keys-")) / "keys"


def _keep_host_keys(made: Path) -> None:
    """The keys of the first service serve for all: making RSA keys takes seconds."""
    if not _HOST_KEYS.is_dir():
        shutil.copytree(made, _HOST_KEYS)


@pytest.fixture(scope="session", autouse=True)
def _host_keys() -> Iterator[None]:
    yield
    shutil.rmtree(_HOST_KEYS.parent, ignore_errors=True)


class Laptop:
    """One laptop: a key, a serial, a Journal, and ds-backup's own commands."""

    def __init__(self, school: School, serial: str, kind: str) -> None:
        self.school, self.serial = school, serial
        self.folder = Path(tempfile.mkdtemp(dir=school.folder, prefix="laptop-"))
        self.key = self.folder / "owner.key"
        options = {"dsa": [], "rsa": ["-b", "2048"], "ed25519": []}[kind]
        subprocess.run(["ssh-keygen", "-q", "-t", kind, *options, "-N", "", "-f", self.key], check=True)
        self.options = OLD_CLIENT if kind != "ed25519" else []
        self.journal = self.folder / "datastore"
        self.journal.mkdir()

    @property
    def public(self) -> str:
        return self.key.with_name("owner.key.pub").read_text()

    def entry(self, number: int, text: str = "x") -> Path:
        """A Journal entry of layout 6, made or changed."""
        uid = f"{number:08x}-0000-4000-8000-000000000000"
        entry = self.journal / uid[:2] / uid
        (entry / "metadata").mkdir(parents=True, exist_ok=True)
        (entry / "metadata" / "title").write_text(f"Entry {number}")
        (entry / "data").write_text(text)
        return entry

    def ssh(self, *extra: str) -> list[str]:
        return [
            *("ssh", "-F", "/dev/null", "-o", "PasswordAuthentication=no", "-o", "StrictHostKeyChecking=no"),
            *("-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes"),
            *("-o", "BatchMode=yes", *self.options, "-p", str(self.school.port), "-l", self.serial),
            *("-i", str(self.key), *extra),
        ]

    def run(self, *words: str, **more) -> subprocess.CompletedProcess[str]:
        """A command over ssh."""
        argv = [*self.ssh("127.0.0.1"), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **more)

    def rsync(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = ["rsync", "-e", " ".join(self.ssh()), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60)

    def bring(self, source: Path, folder: str = "datastore-current") -> subprocess.CompletedProcess[str]:
        """ds-backup's transfer of one folder."""
        return self.rsync(
            *("-z", "-rlt", "--partial", "--delete", "--timeout=160", f"{source}/", f"127.0.0.1:{folder}")
        )

    def complete(self, serial: str | None = None) -> subprocess.CompletedProcess[str]:
        """ds-backup's marker."""
        empty = self.folder / "empty"
        empty.touch()
        target = f"127.0.0.1:/var/lib/ds-backup/completion/{serial or self.serial}"
        return self.rsync("-T", "/tmp", "--timeout", "10", str(empty), target)

    def back_up(self) -> None:
        for done in (self.bring(self.journal), self.complete()):
            assert done.returncode == 0, done.stderr

    @property
    def home(self) -> Path:
        """Where the server keeps it, by another way than the server's: OpenSSH prints the fingerprint."""
        import base64

        shown = subprocess.run(["ssh-keygen", "-lf", self.key], capture_output=True, text=True, check=True).stdout
        digest = shown.split()[1].partition(":")[2]
        return self.school.backups / "homes" / base64.b64decode(digest + "=").hex()

    def snapshots(self) -> list[str]:
        return sorted(path.name for path in self.home.glob("datastore-2*") if path.is_dir() and not path.is_symlink())


class School:
    """The service with its settings and state, and while it runs its process."""

    def __init__(self, folder: Path, python: str, backups: Path | None = None) -> None:
        self.folder, self.python = folder, python
        self.state, self.root, self.log = folder / "state", folder / "root", folder / "log"
        self.backups = backups or folder / "backups"
        for path in (self.state, self.backups):
            path.mkdir(exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        if _HOST_KEYS.is_dir():
            shutil.copytree(_HOST_KEYS, self.backups / "keys")
        self.configure()

    def configure(self, text: str = "") -> None:
        path = self.root / "etc" / "sugar-server" / "sugar-server.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[backup]\nfolder = {self.backups}\nreserve_mib = 1\n{text}")

    def laptop(self, serial: str = "SHC00700123", kind: str = "ed25519") -> Laptop:
        """A laptop that has registered."""
        laptop = Laptop(self, serial, kind)
        self.register(laptop)
        return laptop

    def register(self, laptop: Laptop) -> None:
        from sugar_server.registration import keys
        from sugar_server.registration.store import KnownSerial, Registration, Store

        key = keys.parse(laptop.public.strip())
        store = Store(self.state)
        new = Registration(
            key.fingerprint, key.text, laptop.public, laptop.serial, True, None, "Ñusta", "10.0.0.1", "2026-01-01"
        )
        store.register(new, KnownSerial.ACCEPT)
        store.close()

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}

    def argv(self, command: str, *words: str) -> list[str]:
        state = ["--root", str(self.root), "--state", str(self.state)]
        return [self.python, "-m", "sugar_server", command, *words, *state]

    def command(self, command: str, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(command, *words), env=self.environment(), capture_output=True, text=True, timeout=60
        )

    def start(self, *before: str) -> None:
        argv = [*before, *self.argv("serve-backups", "--listen", f"127.0.0.1:{self.port}")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, env=self.environment(), stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            if "Taking backups" in self.log.read_text():
                _keep_host_keys(self.backups / "keys")
                return
            time.sleep(0.05)
        raise AssertionError(f"the service did not come up:\n{self.log.read_text()}")

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(by)
            self.process.wait(timeout=20)
        self.log.write_text("")


def _school(python: str) -> Iterator[School]:
    folder = Path(tempfile.mkdtemp(prefix="sugar-backup-test-"))
    folder.chmod(0o755)
    school = School(folder, python)
    try:
        yield school
    finally:
        school.stop(signal.SIGKILL)
        shutil.rmtree(folder)


@pytest.fixture(params=sorted(PYTHONS))
def any_school(request: pytest.FixtureRequest) -> Iterator[School]:
    """Running, on each of the two Pythons."""
    for school in _school(PYTHONS[request.param]):
        school.start()
        yield school


@pytest.fixture
def idle_school() -> Iterator[School]:
    """Not started yet, on Debian's Python."""
    yield from _school(PYTHONS["debian"])


@pytest.fixture
def school(idle_school: School) -> School:
    """Running, on Debian's Python."""
    idle_school.start()
    return idle_school
