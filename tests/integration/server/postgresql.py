"""A real PostgreSQL of the tests' own: a fresh cluster in a temporary folder, on a Unix socket only."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg2

_PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
_USER = "nobody" if os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


class PostgreSQL:
    """A cluster; its databases are made one for each test."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sugar-pg-"))
        self.process: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)
        if _USER:
            shutil.chown(self.folder, _USER)
        # Whoever the daemon runs as in a test may reach the socket.
        self.folder.chmod(0o755)
        self._run(
            "initdb", "-D", f"{self.folder}/data", "-U", "sugar", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"
        )

    def _run(self, program: str, *words: str) -> None:
        argv = [str(_PROGRAMS / program), *words]
        subprocess.run(argv, user=_USER, cwd=self.folder, check=True, capture_output=True)

    def url(self, database: str) -> str:
        return f"postgresql://sugar@/{database}?host={self.folder}"

    def start(self, *options: str) -> None:
        argv = [
            str(_PROGRAMS / "postgres"),
            "-D",
            f"{self.folder}/data",
            "-k",
            str(self.folder),
            "-h",
            "",
            "-F",
            *options,
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, user=_USER, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg2.connect(self.url("postgres")).close()
                return
            except psycopg2.OperationalError as error:
                text = (self.folder / "log").read_text()
                assert time.monotonic() < deadline and self.process.poll() is None, f"{error}\n{text}"
                time.sleep(0.05)

    def stop(self) -> None:
        """At once, with the clients' connections broken off."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)
            self.process = None

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test{next(self._names)}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, database: str, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Asked past our own code; DATABASE is a name or a URL."""
        connection = psycopg2.connect(database if "://" in database else self.url(database))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)
