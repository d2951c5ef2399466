"""The school server's daemon, and its backup service, as real processes on loopback with one state."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from sugaroid.checks.options import Options, Ports
from sugaroid.checks.report import Report
from sugaroid.checks.run import check

from tests.loopback import free_ports

SOURCE = Path(__file__).parents[3] / "packages" / "sugar-server"
OLPC_SECURITY = SOURCE.with_name("olpc-security")
PYTHON = "/usr/bin/python3"
FQDN = "school.example.pe"
SECONDS_TO_COME_UP = 30.0


class Services:
    """What runs of a school server; nothing does until it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        self.library, self.backups, self.state = folder / "activities", folder / "backups", folder / "state"
        for path in (self.library, self.backups, self.state):
            path.mkdir()
        self.port, self.backup_port, self.activation_port = free_ports(3)
        self.running: list[subprocess.Popen[bytes]] = []
        self.configure()

    def configure(self, library: str = "", statistics: str = "", backup: str = "", server: str = "") -> None:
        """Settings beside those that a machine of tests needs."""
        path = self.folder / "root" / "etc" / "sugar-server" / "sugar-server.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        # A machine of tests has much to do, and its disk may be nearly full.
        usual = {"most_load": 1000, "most_used_percent": 100, "reserve_mib": 1}
        limits = "".join(f"{name} = {value}\n" for name, value in usual.items() if name not in backup)
        path.write_text(
            f"[server]\nfqdn = {FQDN}\n{server}\n[library]\nfolder = {self.library}\n{library}\n[statistics]\n"
            f"{statistics}\n[backup]\nfolder = {self.backups}\n{limits}{backup}\n"
        )

    @property
    def root(self) -> tuple[str, str]:
        """For the commands that read settings."""
        return ("--root", str(self.folder / "root"))

    def argv(self, *words: str, fault: str = "") -> list[str]:
        """One of sugar-server's commands; a fault is Python that spoils a part of it first."""
        run = f"import sys\n{fault}\nfrom sugar_server.cli import main\nsys.exit(main())"
        return [PYTHON, "-B", "-c", run, *words, "--state", str(self.state)]

    def sugar_server(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the commands beside the daemon."""
        argv = self.argv(*words)
        return subprocess.run(argv, env=self.environment(), capture_output=True, text=True, check=False, timeout=30)

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{SOURCE}:{OLPC_SECURITY}", "PATH": os.environ["PATH"]}

    def start(self) -> None:
        """The daemon."""
        root = ["--root", str(self.folder / "root")]
        self._start(self.argv("serve", *root, "--listen", f"127.0.0.1:{self.port}"), self._answers)

    def start_backups(self, fault: str = "") -> None:
        """The backup service, well or spoilt."""
        words = ("serve-backups", "--root", str(self.folder / "root"), "--listen", f"127.0.0.1:{self.backup_port}")
        self._start(self.argv(*words, fault=fault), lambda: "Taking backups" in self.log.read_text())

    def start_activation(self) -> None:
        """The service that activates laptops."""
        words = ("serve-activation", *self.root, "--listen", f"127.0.0.1:{self.activation_port}")
        self._start(self.argv(*words), lambda: "Activating laptops" in self.log.read_text())

    def _start(self, argv: list[str], up: Callable[[], bool]) -> None:
        with self.log.open("ab") as log:
            process = subprocess.Popen(argv, env=self.environment(), stdout=log, stderr=log)
        self.running.append(process)
        deadline = time.monotonic() + SECONDS_TO_COME_UP
        while process.poll() is None and time.monotonic() < deadline:
            if up():
                return
            time.sleep(0.05)
        raise AssertionError(f"it does not come up:\n{self.log.read_text()}")

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """All that runs."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(20)
        self.running.clear()

    def sugaroid(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs the program, in Debian's Python."""
        environment = self.sugaroid_environment()
        argv = self.sugaroid_argv(*words)
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)

    def sugaroid_argv(self, *words: str) -> list[str]:
        ports = {"http": self.port, "registration": self.port, "backup": self.backup_port}
        ports["activation"] = self.activation_port
        given = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
        return [PYTHON, "-B", "-m", "sugaroid", *words, "--server", FQDN, "--address", "127.0.0.1", *given]

    def sugaroid_environment(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{SOURCE.parent / 'sugaroid'}:{OLPC_SECURITY}", "PATH": os.environ["PATH"]}

    def check(self, *expect: str, expect_no: tuple[str, ...] = (), port: int | None = None) -> Report:
        """What the checks of sugaroid find."""
        web = port or self.port
        ports = Ports(registration=web, http=web, backup=self.backup_port, activation=self.activation_port)
        return asyncio.run(check(Options(FQDN, "127.0.0.1", expect=expect, expect_no=expect_no, ports=ports)))


def failed(report: Report) -> dict[str, str]:
    """What is not as expected, by the name of its check."""
    return {f"{found.service}: {found.check}": found.seen for found in report.checks if not found.ok}


def seen(report: Report) -> dict[str, str]:
    """What was seen of all."""
    return {f"{found.service}: {found.check}": found.seen for found in report.checks}
