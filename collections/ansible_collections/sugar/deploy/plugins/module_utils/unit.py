# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's systemd unit, and the proof that the service came up and stays up."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time

SHOWN = ("LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID", "NRestarts")
COMMAND_SECONDS = 180


class Unit:
    """One systemd unit."""

    def __init__(self, name):
        self.name = name

    def show(self):
        """Its state as systemd shows it; as of a missing unit where systemd does not answer."""
        done = self._systemctl("show", "--property", ",".join(SHOWN))
        shown = dict(line.split("=", 1) for line in done[1].splitlines() if "=" in line)
        return {key: shown.get(key, "") for key in SHOWN}

    def exists(self):
        """Whether systemd knows the unit."""
        return self.show()["LoadState"] not in ("", "not-found")

    def is_active(self):
        """Whether it runs (or, for a one-shot unit, has run)."""
        return self.show()["ActiveState"] in ("active", "reloading")

    def is_enabled(self):
        """Whether it starts at boot."""
        return self.show()["UnitFileState"] in ("enabled", "static", "alias", "indirect", "generated")

    def enable(self, enabled):
        """Have it started at boot, or not."""
        return self._systemctl("enable" if enabled else "disable")

    def act(self, action):
        """Start, stop, restart or reload; returns status and output."""
        if action != "stop":
            # A unit that failed too often just now would be refused a start otherwise.
            self._systemctl("reset-failed")
        return self._systemctl({"reload": "reload-or-restart"}.get(action, action))

    def daemon_reload(self):
        """Have systemd read its unit files again."""
        _run(["systemctl", "daemon-reload"])

    def journal(self, since, lines=20):
        """The last lines that the service wrote since then (Unix time)."""
        if shutil.which("journalctl") is None:
            return ""
        words = ["--unit", self.name, "--since", f"@{int(since)}", "--lines", str(lines)]
        text = _run(["journalctl", "--no-pager", "--quiet", "--output", "cat", *words])[1]
        return "\n".join(line for line in text.strip().splitlines() if line.strip())

    def _systemctl(self, *words):
        if shutil.which("systemctl") is None:
            return 1, ""
        return _run(["systemctl", *words, "--", self.name])


def _run(argv):
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, f"{' '.join(argv)} did not end within {COMMAND_SECONDS} seconds"
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


class Health:
    """What a healthy service answers to."""

    def __init__(self, tcp=(), udp=(), host="127.0.0.1", argv=(), seconds=30, steady_seconds=2.0):
        self.tcp = tcp
        self.udp = udp
        self.host = host
        self.argv = argv
        self.seconds = seconds
        self.steady_seconds = steady_seconds

    def complaint(self):
        """What does not answer now, or None."""
        for port in self.tcp:
            try:
                socket.create_connection((self.host, port), timeout=5).close()
            except OSError as error:
                return f"nothing answers on {self.host} port {port}/tcp ({error})"
        for port in self.udp:
            if port not in bound_udp_ports():
                return f"nothing listens on port {port}/udp"
        if self.argv:
            try:
                status, output = _run(list(self.argv))
            except FileNotFoundError:
                return f"{self.argv[0]} is not installed"
            if status != 0:
                return f"{' '.join(self.argv)} says: {output or f'status {status}'}"
        return None


def bound_udp_ports():
    """Local UDP ports in use, as the kernel lists them: no probe packet suits every service."""
    ports = set()
    for path in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            with open(path, encoding="ascii") as table:
                ports.update(int(line.split()[1].rsplit(":", 1)[1], 16) for line in list(table)[1:])
        except FileNotFoundError:
            continue
    return ports


def prove(unit, health, clock=time):
    """Wait until the service is up and stays so for a moment; returns what is wrong, or None."""
    deadline = clock.monotonic() + health.seconds
    while True:
        wrong = _wrong(unit, health)
        if wrong is None:
            break
        if clock.monotonic() >= deadline or unit.show()["ActiveState"] == "failed":
            return wrong
        clock.sleep(0.25)
    before = unit.show()
    clock.sleep(health.steady_seconds)
    after = unit.show()
    if any(before[key] != after[key] for key in ("MainPID", "NRestarts")):
        return f"{unit.name} came up and crashed"
    return _wrong(unit, health)


def _wrong(unit, health):
    shown = unit.show()
    if shown["ActiveState"] != "active":
        return f"{unit.name} is {shown['ActiveState'] or 'unknown'} ({shown['SubState']})"
    return health.complaint()
