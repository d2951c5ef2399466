"""A laptop flashed with an image that has a server: its class's server after its first start, with its LAN alone.

A small Debian with what a class's server has of packages, composed by the stages that images are composed by, and
started in a container: cut off in the middle of its first start, started again, and once more.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.bundle.image_server import class_server, peer_school
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.build import run
from sugar_deploy.image.compose.debian import for_system
from sugar_deploy.image.compose.own import own_packages
from sugar_deploy.image.compose.server import server_packages, server_step
from sugar_deploy.image.compose.source import published_source
from sugar_deploy.image.compose.stage import Input, make_step
from sugar_deploy.lab import nspawn
from sugar_deploy.lab.steps import own as command
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.run.prepare import resolved

pytestmark = pytest.mark.vm
ARCHITECTURE = "amd64"
DEPLOYMENT = f"""\
version: 1
name: lima
title: Lima
repository: {{contents: complete, suites: [bookworm], architectures: [{ARCHITECTURE}], kernel: false, clients: false}}
images: {{server: true}}
schools:
  aula-1:
    title: Aula 1
    scenario: peer-server
    server: {{address: 192.0.2.10}}
    lan: {{interface: host0, address: 172.18.96.1/24}}
"""
LAPTOP, SERVER, ADDRESS = "sd-peer-laptop", "sd-peer-server", "172.18.96.1"
SUGAROID = Path(__file__).parents[2] / "packages" / "sugaroid"
EXPECTED = "registration,presence,http,dns,dhcp,ntp"
SECONDS = 600


def compose(folder: Folder, area: Path) -> Path:
    """The tree of a small system that becomes the server of aula-1."""
    plan, source = resolved(folder), published_source(folder)
    names = ("systemd-sysv", "dbus", "iproute2", "udev", *server_packages("lima", "bookworm", ARCHITECTURE))
    system = System("generic-pc64", "bookworm", ARCHITECTURE, names)
    mine = own_packages(source.record, source.tree, system)
    debian = for_system(source.origin(system, plan, folder), system, mine, print).as_input()
    debs = Input({one.path.name: one.path for one in mine}, "the deployment's own")
    left = folder.state / "image-server-killed"
    (left / "project").mkdir(parents=True)
    with class_server(folder, plan, peer_school(plan, None), system, print) as server:
        assert not left.exists()
        steps = (
            make_step("base", {"architecture": ARCHITECTURE}, {"debian": debian}),
            make_step("packages", {}, {"own": debs}),
            *server_step(server),
            make_step("finish"),
        )
        return run(steps, area, print)[0]


class Laptop:
    """A container of a flashed system, on a LAN of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.console = root, root.with_name("console")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = ("setpriv", "--pdeathsig", "KILL", *nspawn.boot_argv(self.root, "peer", SERVER))
        with self.console.open("ab") as out:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **nspawn.ENVIRONMENT},
            )

    def awaits(self, text: str) -> None:
        """Wait until its console has told something."""
        until = time.monotonic() + SECONDS
        while text not in self.told():
            assert time.monotonic() < until, self.told()[-4000:]
            assert "is not a server yet" not in self.told(), self.told()[-4000:]
            time.sleep(0.5)

    def told(self) -> str:
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def is_switched_off(self) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait(SECONDS)

    def loses_its_power(self) -> None:
        """With its first process all others end at once."""
        if self._process is None or self._process.poll() is not None:
            return
        pid = self._process.pid
        for first in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(first), signal.SIGKILL)
        self._process.wait(SECONDS)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def lan() -> Iterator[None]:
    for name in (LAPTOP, SERVER):
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    ip("-n", SERVER, "link", "add", "host0", "type", "veth", "peer", "name", "eth0", "netns", LAPTOP)
    ip("-n", LAPTOP, "link", "set", "eth0", "up")
    ip("-n", LAPTOP, "address", "add", "172.18.96.250/24", "dev", "eth0")
    yield
    for name in (LAPTOP, SERVER):
        ip("netns", "delete", name)


def served() -> list[dict[str, object]]:
    """What another laptop of the class does not get of its server."""
    words = ("check", "--json", "--server", "aula-1.lan", "--address", ADDRESS, "--interface", "eth0")
    argv = ["ip", "netns", "exec", LAPTOP, sys.executable, "-m", "sugaroid", *words, "--expect", EXPECTED]
    done = subprocess.run(argv, cwd=SUGAROID, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.stdout, done.stderr
    return [one for one in json.loads(done.stdout)["checks"] if not one["ok"]]


def test_after_its_first_start_it_serves_its_class(tmp_path: Path, lan: None) -> None:
    folder = Folder(tmp_path / "lima")
    folder.root.mkdir()
    folder.file.write_text(DEPLOYMENT)
    done = command(("repo", "publish", "-q", "-C", str(folder.root)))
    assert done.returncode == 0, done.stdout + done.stderr
    root = tmp_path / "root"
    root.mkdir()
    tree = compose(folder, tmp_path / "area")
    subprocess.run(["tar", "-C", root, "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", tree], check=True)
    state = root / "var/lib/sugar-deploy"
    for secret in ("etc/prosody/certs", "etc/ssl/private", "var/lib/prosody", "var/lib/sugar-server"):
        assert not list((root / secret).iterdir()), "all laptops of this image would have it"
    assert not list((root / "etc/ssh").glob("ssh_host_*"))
    (root / "etc/systemd/system/chrony.service.d").mkdir()
    (root / "etc/systemd/system/chrony.service.d/lab.conf").write_text(nspawn.CHRONY)

    laptop = Laptop(root)
    try:
        laptop.start()
        laptop.awaits("4/9 sshd")
        laptop.loses_its_power()
        assert (state / "first/MANIFEST.json").exists()
        assert not (state / "bundle.json").exists()
        laptop.start()
        laptop.awaits("This laptop is the server of aula-1")
        assert served() == []
        assert json.loads((state / "bundle.json").read_text())["school"] == "aula-1"
        laptop.is_switched_off()
        record, runs = (state / "bundle.json").read_bytes(), list((state / "runs").iterdir())
        certificate = (root / "etc/prosody/certs/aula-1.lan.crt").read_bytes()
        assert not (state / "first").exists()

        laptop.console.unlink()
        laptop.start()
        laptop.awaits("Reached target")
        laptop.awaits("Multi-User System")
        assert served() == []
        assert (state / "bundle.json").read_bytes() == record
        assert list((state / "runs").iterdir()) == runs
        assert (root / "etc/prosody/certs/aula-1.lan.crt").read_bytes() == certificate
        assert "becomes the server" not in laptop.told()
    finally:
        laptop.loses_its_power()
