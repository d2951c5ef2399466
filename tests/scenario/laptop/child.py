"""The child on a laptop with Sugar, and the teacher's browser beside it, as the tests drive them."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.sugar import DESKTOP, USER

HOME = f"/home/{USER}"
_PROGRAMS = "/usr/local/lib/lab"
_HERE = Path(__file__).parent
_UPDATER = _HERE.parents[1] / "integration" / "client" / "desktop.py"
# As /usr/bin/sugar and the login set them.
_SESSION = (
    f"HOME={HOME}",
    "DISPLAY=:0",
    "LANG=C.UTF-8",
    "SUGAR_PROFILE=default",
    f"SUGAR_HOME={HOME}/.sugar",
    "SUGAR_MIME_DEFAULTS=/usr/share/sugar/data/mime.defaults",
    "SUGAR_ACTIVITIES_HIDDEN=/usr/share/sugar/data/activities.hidden",
)
# The timer itself, but now; its service has ended when this ends.
_ELAPSE = """set -e
folder=~/.config/systemd/user/$1.timer.d
mkdir -p "$folder"
printf '[Timer]\\nOnCalendar=\\nOnActiveSec=100ms\\nRandomizedDelaySec=0\\nAccuracySec=100ms\\n' > "$folder/lab.conf"
systemctl --user daemon-reload
before=$(systemctl --user show -P InactiveEnterTimestampMonotonic "$1.service")
systemctl --user restart "$1.timer"
for try in $(seq 300); do
  after=$(systemctl --user show -P InactiveEnterTimestampMonotonic "$1.service")
  if [ "$after" != "$before" ]; then break; fi
  sleep 0.2
done
systemctl --user show -P Result "$1.service"
systemctl --user stop "$1.timer"
journalctl --user --quiet --output=cat --unit="$1.service"
"""


class Child:
    """Who is logged in on the laptop."""

    def __init__(self, laptop: Machine) -> None:
        self.laptop = laptop
        laptop.run(("mkdir", "-p", _PROGRAMS))
        for program in (*_HERE.glob("*.py"), _UPDATER):
            laptop.put(program, f"{_PROGRAMS}/{program.name}")
        self._uid = laptop.run(("id", "-u", USER)).stdout.strip()

    def runs(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A program in the session."""
        folder = f"/run/user/{self._uid}"
        session = (*_SESSION, f"XDG_RUNTIME_DIR={folder}", f"DBUS_SESSION_BUS_ADDRESS=unix:path={folder}/bus")
        return self.laptop.run(("runuser", "-u", USER, "--", "env", "-C", HOME, *session, *argv), check=check)

    def says(self, *argv: str) -> str:
        """What a program prints that must go well."""
        return self.runs(*argv).stdout.strip()

    def program(self, name: str, *words: str) -> Any:
        """What one of the tests' programs prints in the end, as JSON."""
        said = self.says("python3", f"{_PROGRAMS}/{name}.py", *words)
        return json.loads(said.splitlines()[-1]) if said else None

    def elapse(self, timer: str) -> str:
        """Let a timer of the user's elapse; how its service ended, and what it said since it was installed."""
        return self.says("sh", "-c", _ELAPSE, "sh", timer)

    def logs_in(self) -> None:
        """Wait for the Home view, which has the child's colours."""
        self.laptop.run(("systemctl", "start", DESKTOP))
        until = time.monotonic() + 60
        while time.monotonic() < until:
            done = self.runs("python3", f"{_PROGRAMS}/screen.py", f"{HOME}/screen.png", check=False)
            if done.returncode == 0 and min(json.loads(done.stdout)["own"]) > 500:
                return
            time.sleep(0.5)
        log = self.laptop.run(("tail", "-n20", f"{HOME}/.sugar/default/logs/shell.log"), check=False).stdout
        raise AssertionError(f"Sugar shows no Home view: {done.stdout}{done.stderr}{log}")

    def logs_out(self) -> None:
        """The bus goes on, as it does for who is logged in on a text console too."""
        self.laptop.run(("systemctl", "stop", DESKTOP))

    def becomes_another(self) -> None:
        """A new laptop: no profile, no settings, no key."""
        self.logs_out()
        gone = " ".join(f"{HOME}/{name}" for name in (".sugar", ".config/dconf", "Activities"))
        self.laptop.run(
            ("sh", "-c", f"systemctl stop user@{self._uid}; rm -rf {gone}; systemctl start user@{self._uid}")
        )

    @property
    def serial(self) -> str:
        """What Sugar registered with."""
        return self.says("cat", f"{HOME}/.sugar/default/identifiers/sn")

    @contextmanager
    def web(self) -> Iterator[str]:
        """The school server's web, as it is seen from the laptop's network; an address on this machine."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        words = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:schoolserver:80")
        ssh, *rest = self.laptop.ssh_argv()
        with subprocess.Popen((ssh, *words, *rest), stdin=subprocess.DEVNULL) as forward:
            try:
                _wait_for(port, forward)
                yield f"http://127.0.0.1:{port}"
            finally:
                forward.terminate()


def _wait_for(port: int, forward: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            assert forward.poll() is None, shlex.join(map(str, forward.args))
            time.sleep(0.1)
        else:
            return
    raise AssertionError("no way to the school server's web")
