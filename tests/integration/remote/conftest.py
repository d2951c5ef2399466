"""A school's machine at first contact: a real sshd on loopback with a user who logs in by password.

It runs in a mount namespace with its own /etc, /home and /run, so the machine that runs the tests stays as it is.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.loopback import make_key, sshd, wait_for_sshd

USER = "teresa"
PASSWORD = "kon-tiki {{ 1947 }}"

SCHOOL = r"""
set -eu
mount --make-rprivate /
mkdir -p "$1/upper" "$1/work" "$1/home"
mount -t tmpfs tmpfs "$1/upper"
mkdir "$1/upper/etc" "$1/upper/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper/etc,workdir=$1/upper/work" /etc
mount --bind "$1/home" /home
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/sudo
useradd --create-home --shell /bin/sh teresa
echo 'teresa:kon-tiki {{ 1947 }}' | chpasswd
rm -rf /etc/sudoers.d/*
cat "$1/sudoers" > /etc/sudoers
exec /usr/sbin/sshd -D -e -f "$1/config"
"""


@dataclass
class SchoolMachine:
    """A machine that nobody has contacted yet, and a deployment that names it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    deployment: Path

    @property
    def fingerprint(self) -> str:
        """As the machine's own screen would show it."""
        argv = ["ssh-keygen", "-l", "-f", str(self.folder / "host.pub")]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()[1]

    def new_host_key(self) -> None:
        """As after a reinstallation."""
        for path in self.folder.glob("host*"):
            path.unlink()
        make_key(self.folder / "host")
        # sshd reads its keys anew on SIGHUP.
        listener = next(
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if str(self.folder / "config").encode() in path.read_bytes() and b"sshd" in path.read_bytes()[:40]
        )
        subprocess.run(["kill", "-HUP", str(listener)], check=True)
        wait_for_sshd(self.port, self.folder / "log", self.process)


@pytest.fixture
def school(tmp_path: Path) -> Iterator[SchoolMachine]:
    folder = tmp_path / "machine"
    folder.mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    (folder / "sudoers").write_text("Defaults !requiretty\nteresa ALL=(ALL) ALL\n")
    with sshd(folder, SCHOOL, "PasswordAuthentication yes", "PermitRootLogin no") as (port, process):
        deployment = tmp_path / "lima"
        deployment.mkdir()
        (deployment / "deployment.yml").write_text(
            "version: 1\nname: lima\ntitle: Lima\nschools:\n  san-martin:\n    scenario: online-peers\n"
            f"    role: master\n    server:\n      address: 127.0.0.1\n      port: {port}\n      user: {USER}\n"
            "      fqdn: san-martin.example.org\n"
        )
        yield SchoolMachine(folder, port, process, deployment)
