"""A machine of a lab, as its user sees it."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import control
from sugar_deploy.lab.places import LabPlace
from sugar_deploy.lab.process import package_remedy
from sugar_deploy.lab.spec import MachineSpec
from sugar_deploy.lab.stick import MOUNT, Stick


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine: reached by SSH on loopback, switched on and off through the lab."""

    place: LabPlace
    spec: MachineSpec
    port: int
    boot_seconds: float
    """How long its backend may take to boot."""

    @property
    def name(self) -> str:
        """The machine's name: the school's, or <school>-laptop."""
        return self.spec.name

    @property
    def key(self) -> Path:
        """The private key that opens it."""
        return self.place.key

    @property
    def console(self) -> Path:
        """What it wrote to its console, since it first booted."""
        return self.place.console(self.name)

    def ssh_argv(self, *, tty: bool = False) -> tuple[str, ...]:
        """The ssh command up to the remote command; host key checking stays on."""
        options = (
            f"UserKnownHostsFile={self.place.known_hosts}",
            "StrictHostKeyChecking=yes",
            "IdentitiesOnly=yes",
            "ConnectTimeout=10",
            "LogLevel=ERROR",
            *(() if tty else ("BatchMode=yes",)),
        )
        return (
            *("ssh", "-F", "none", "-i", str(self.key), "-p", str(self.port)),
            *(word for option in options for word in ("-o", option)),
            *(("-t",) if tty else ()),
            "root@127.0.0.1",
        )

    def run(
        self, argv: Sequence[str], *, check: bool = True, timeout_seconds: float = 300, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the machine, by SSH."""
        try:
            done = subprocess.run(
                (*self.ssh_argv(), "--", shlex.join(argv)),
                capture_output=True,
                text=True,
                timeout=timeout_seconds,
                check=False,
                **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}),
            )
        except FileNotFoundError:
            raise DeployError("ssh is not installed", package_remedy("ssh")) from None
        except subprocess.TimeoutExpired:
            raise DeployError(
                f"{self.name}: `{shlex.join(argv)}` took more than {timeout_seconds:.0f} seconds"
            ) from None
        if check and done.returncode:
            said = done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}"
            raise DeployError(f"{self.name}: `{shlex.join(argv)}` failed: {said}", f"Console: {self.console}")
        return done

    def put(self, file: Path, target: str) -> None:
        """Copy a file to the machine."""
        with file.open("rb") as content:
            done = subprocess.run(
                (*self.ssh_argv(), "--", f"cat > {shlex.quote(target)}"),
                stdin=content,
                capture_output=True,
                timeout=300,
                check=False,
            )
        if done.returncode:
            raise DeployError(f"{self.name}: {file.name} cannot be copied: {done.stderr.decode().strip()}")

    def wait_for_ssh(self) -> float:
        """Wait until it lets one in; how many seconds that took."""
        started = time.monotonic()
        while time.monotonic() < started + self.boot_seconds:
            if self._banner() and self.run(("true",), check=False, timeout_seconds=60).returncode == 0:
                return time.monotonic() - started
            time.sleep(0.1)
        raise DeployError(
            f"{self.name} lets nobody in by SSH after {self.boot_seconds:.0f} s", f"See its console: {self.console}"
        )

    def _banner(self) -> bool:
        """Whether sshd says its name: cheaper than trying to log in."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def running(self) -> bool:
        """Whether it is switched on."""
        state: dict[str, bool] = control.ask(self.place.control, "state")["running"]
        return state[self.name]

    def power_cut(self) -> None:
        """Pull the plug: nothing is shut down, nothing is flushed."""
        self._ask("power-cut")

    def start(self, *, wait: bool = True) -> None:
        """Switch it on, with the disk as it is."""
        self._ask("start")
        if wait:
            self.wait_for_ssh()

    def stop(self) -> None:
        """Shut it down in good order."""
        self._ask("stop")

    def snapshot(self, label: str) -> None:
        """Keep its disk under LABEL: a machine that runs is shut down for it and started again."""
        ran = self.running()
        self._ask("snapshot", label=_label(label))
        if ran:
            self.wait_for_ssh()

    def restore(self, label: str) -> None:
        """Give it back the disk it had; a machine that runs is cut off and started again."""
        ran = self.running()
        self._ask("restore", label=_label(label))
        if ran:
            self.wait_for_ssh()

    def plug(self, stick: Stick, *, read_only: bool = False) -> None:
        """Plug a stick in; it is at /media/stick then. One that was pulled out in use makes room for it.

        A machine that is switched off, or restored, has its stick taken out.
        """
        mode = "ro" if read_only else "rw"
        device = self._ask("plug", file=str(stick.file), mode=mode)["device"]
        if device:
            self.run(("sh", "-c", _MOUNT_STICK, "sh", device, mode, MOUNT), timeout_seconds=120)

    def unplug(self) -> None:
        """Unmount the stick, and take it out."""
        self.run(("umount", MOUNT))
        self._ask("unplug")

    def yank(self) -> None:
        """Pull the stick out, in use or not: it stays mounted, and reading from it fails."""
        self._ask("yank")

    def _ask(self, do: str, **details: str) -> dict[str, Any]:
        return control.ask(self.place.control, do, machine=self.name, **details)


# The device is there before the kernel has looked at it.
_MOUNT_STICK = """mkdir -p "$3"; umount --lazy "$3" 2>/dev/null
for try in $(seq 100); do
  if [ -b "$1" ]; then exec mount -o "$2" "$1" "$3"; fi
  sleep 0.2
done
echo "$1 does not appear" >&2; exit 1
"""


def _label(label: str) -> str:
    if not label.replace("-", "").replace("_", "").isalnum():
        raise DeployError(f"{label!r} is no name for a snapshot", "Use letters, digits, - and _")
    return label
