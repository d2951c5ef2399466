"""A school server with both of its services, and laptops that run our client in a profile of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.integration.backup.conftest import School
from tests.integration.server.conftest import PYTHONS, Server

CLIENT = Path(__file__).resolve().parents[3] / "packages" / "sugar-client"


class Web(Server):
    """The web server on the settings and the state of the backups' service."""

    def __init__(self, folder: Path, school: School) -> None:
        super().__init__(folder, PYTHONS["debian"])
        self.root, self.state = school.root, school.state
        self.configure(
            f"""
            [backup]
            folder = {school.backups}
            port = {school.port}
            reserve_mib = 1
            most_load = 1000
            most_used_percent = 100
        """.replace("    ", "")
        )


class SchoolServer:
    """Web server and backups' service, both running."""

    def __init__(self, folder: Path) -> None:
        self.backups = School(folder, PYTHONS["debian"])
        self.web = Web(_folder(folder / "web"), self.backups)

    def start(self) -> None:
        self.backups.start()
        self.web.start()

    def stop(self) -> None:
        self.web.stop(signal.SIGKILL)
        self.backups.stop(signal.SIGKILL)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.web.address[1]}"


class Child:
    """A child's profile on a laptop: an owner's key in one of the forms that there are, and a Journal."""

    def __init__(self, folder: Path, serial: str, key: tuple[str, ...] = ("-t", "ed25519")) -> None:
        self.home = _folder(folder)
        self.profile = self.home / ".sugar" / "default"
        self.journal = _folder(self.profile / "datastore")
        (self.journal / "version").write_text("6")
        _folder(self.profile / "identifiers").joinpath("sn").write_text(serial)
        keygen = ["ssh-keygen", "-q", *key, "-N", "", "-C", "", "-f", self.profile / "owner.key"]
        subprocess.run(keygen, check=True)
        self.keyfile = _folder(self.home / ".config" / "glib-2.0" / "settings") / "keyfile"
        self.keyfile.write_text("[org/sugarlabs/user]\nnick='Ñusta \"1\"'\n")

    @property
    def own(self) -> Path:
        return self.profile / "school-server"

    @property
    def state(self) -> dict[str, object]:
        return json.loads((self.own / "backup.json").read_text())

    def entry(self, number: int, content: bytes = b"x") -> Path:
        """A Journal entry of layout 6, made or changed."""
        uid = f"{number:08x}-0000-4000-8000-000000000000"
        entry = self.journal / uid[:2] / uid
        metadata = _folder(entry / "metadata")
        for name, value in {"uid": uid, "title": f"Entry {number}", "timestamp": "1700000000"}.items():
            (metadata / name).write_text(value)
        (metadata / "preview").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
        (entry / "data").write_bytes(content)
        return entry

    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(CLIENT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GSETTINGS_BACKEND": "keyfile",
        }

    def run(self, *words: str, python: str = "/usr/bin/python3") -> subprocess.CompletedProcess[str]:
        argv = [python, "-m", "sugar_client", *words]
        return subprocess.run(argv, env=self.environment(), capture_output=True, text=True, timeout=90)

    def good(self, *words: str) -> str:
        """What a command prints that must go well."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def running() -> Iterator[SchoolServer]:
    folder = Path(tempfile.mkdtemp(prefix="sugar-client-test-"))
    folder.chmod(0o755)
    server = SchoolServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
