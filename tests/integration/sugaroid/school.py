"""A school in network namespaces: a server with its LAN's services, a laptop's place on the LAN, and the uplink."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import prosody

PACKAGES = Path(__file__).parents[3] / "packages"
PYTHON = "/usr/bin/python3"
SERVER, LAN, UPLINK = "172.18.96.1", "172.18.96.1/24", "192.0.2.7/24"
NAMES = [
    "schoolserver",
    "school",
    "library",
    "presence",
    "xs",
    "www",
    "ntp",
    "time",
    "box",
    "conference.schoolserver",
    "escuela",
    "schule",
]


@dataclass(frozen=True)
class School:
    """Three namespaces: `server`, `laptop` (eth0 on the LAN), `street` (eth0 on the uplink)."""

    tag: str
    folder: Path
    presence: prosody.Prosody

    def namespace(self, place: str) -> str:
        return f"{self.tag}-{place}"

    def run(self, place: str, *argv: str) -> subprocess.CompletedProcess[str]:
        prefix = ["ip", "netns", "exec", self.namespace(place)]
        return subprocess.run([*prefix, *argv], capture_output=True, text=True, check=False, timeout=120)

    def sugaroid(self, place: str, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        environment = [f"PYTHONPATH={PACKAGES}/sugaroid", "PYTHONDONTWRITEBYTECODE=1"]
        return self.run(
            place, "env", *environment, PYTHON, "-m", "sugaroid", command, "--server", prosody.DOMAIN, *options
        )

    def check(self, place: str, *options: str) -> tuple[int, dict[str, Any]]:
        """Exit status and report of `sugaroid check --json`."""
        done = self.sugaroid(place, "check", "--json", *options)
        assert done.stderr == "", done.stderr
        return done.returncode, json.loads(done.stdout)

    def sugar_server(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(PACKAGES / "sugar-server"), "PYTHONDONTWRITEBYTECODE": "1"}
        argv = [PYTHON, "-m", "sugar_server", *words, "--state", str(self.folder / "state")]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)

    def leases(self) -> str:
        return (self.folder / "leases").read_text()


@contextlib.contextmanager
def school() -> Iterator[School]:
    tag = f"sugaroid{os.getpid()}"
    with contextlib.ExitStack() as stack:
        # Short and open to all: the daemons drop their rights, and sockets have short names.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="school-")))
        folder.chmod(0o755)
        (folder / "prosody").mkdir()
        for place in ("server", "laptop", "street"):
            _ip("netns", "add", f"{tag}-{place}")
            stack.callback(_ip, "netns", "delete", f"{tag}-{place}")
            _ip("-n", f"{tag}-{place}", "link", "set", "lo", "up")
        _cable(tag, "lan", LAN, "laptop", "172.18.96.200/24")
        _cable(tag, "uplink", UPLINK, "street", "192.0.2.99/24")
        inside = ("ip", "netns", "exec", f"{tag}-server")
        _start_daemons(stack, folder, inside)
        presence = stack.enter_context(
            prosody.running(folder / "prosody", address=SERVER, ports=(5223, 5222), prefix=inside)
        )
        made = School(tag, folder, presence)
        _wait_for_registration(made)
        yield made


def _start_daemons(stack: contextlib.ExitStack, folder: Path, inside: tuple[str, ...]) -> None:
    records = ",".join(f"{name}.lima.example" for name in NAMES)
    (folder / "dnsmasq.conf").write_text(
        f"""no-resolv\nno-hosts\nbind-interfaces\ninterface=lan\nexcept-interface=lo\nuser=root
domain=lima.example\nhost-record={records},{prosody.DOMAIN},conference.{prosody.DOMAIN},{SERVER}
dhcp-range=172.18.96.10,172.18.96.20,180m\ndhcp-authoritative\ndhcp-option=option:ntp-server,{SERVER}
dhcp-option=option:router,{SERVER}\ndhcp-leasefile={folder}/leases\npid-file={folder}/dnsmasq.pid\n"""
    )
    _start(stack, folder, [*inside, "dnsmasq", "--keep-in-foreground", f"--conf-file={folder}/dnsmasq.conf"])
    (folder / "chrony.conf").write_text(
        f"local stratum 10\nallow 172.18.96.0/24\nbindaddress {SERVER}\ncmdport 0\nbindcmdaddress /\n"
        f"pidfile {folder}/chrony.pid\n"
    )
    _start(stack, folder, [*inside, "chronyd", "-d", "-x", "-u", "root", "-f", str(folder / "chrony.conf")])
    settings = folder / "etc/sugar-server/sugar-server.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[server]\nfqdn = {prosody.DOMAIN}\ntitle = San Martín\n")
    (folder / "state").mkdir()
    daemon = [*inside, "env", f"PYTHONPATH={PACKAGES}/sugar-server", PYTHON, "-B", "-m", "sugar_server", "serve"]
    daemon += ["--root", str(folder), "--state", str(folder / "state")]
    _start(stack, folder, [*daemon, "--listen", f"{SERVER}:8080", "--listen", f"{SERVER}:80"])


def _start(stack: contextlib.ExitStack, folder: Path, argv: list[str]) -> None:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)

    def end() -> None:
        process.send_signal(signal.SIGTERM)
        process.wait(20)

    stack.callback(end)


def _wait_for_registration(made: School) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if made.run("server", "curl", "-sf", f"http://{SERVER}:8080/health").returncode == 0:
            return
        time.sleep(0.1)
    raise AssertionError(f"the school does not come up:\n{(made.folder / 'log').read_text()}")


def _cable(tag: str, name: str, server: str, place: str, address: str) -> None:
    end = ("peer", "name", "eth0", "netns", f"{tag}-{place}")
    _ip("link", "add", name, "netns", f"{tag}-server", "type", "veth", *end)
    for namespace, interface, own in ((f"{tag}-server", name, server), (f"{tag}-{place}", "eth0", address)):
        _ip("-n", namespace, "address", "add", own, "dev", interface)
        _ip("-n", namespace, "link", "set", interface, "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
