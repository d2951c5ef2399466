"""A school's LAN in a network namespace: addresses by dnsmasq, leases and registrations by the real server."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from olpc_security.keys import PublicKey
from olpc_security.laptop import Laptop

from tests.integration.server.conftest import Server
from tests.integration.server.deployment import Deployment

ADDRESS = "172.18.0.1"


class School:
    """The server of a school; its key is delegated to for its own laptops."""

    def __init__(self, server: Server, *, own: tuple[Laptop, ...], stolen: tuple[Laptop, ...], lan: str) -> None:
        self.lan, self.log = lan, server.log
        deployment = Deployment(server)
        server.start()
        key = PublicKey(server.command_bytes("lease-key"))
        deployment.bring("delegation", deployment.delegations(key, *own, *stolen))
        deployment.bring("stolen", deployment.stolen(*stolen))
        server.stop()
        self.server = server
        self._own = (
            server.argv("serve-activation", "--listen", f"{ADDRESS}:191"),
            server.argv("serve", "--root", str(server.root), "--listen", f"{ADDRESS}:8080"),
        )
        self._environment = server.environment()
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> School:
        inside = ("ip", "-n", self.lan)
        for words in (
            ("ip", "netns", "add", self.lan),
            (*inside, "link", "set", "lo", "up"),
            (*inside, "link", "add", "lan", "type", "bridge"),
            (*inside, "address", "add", f"{ADDRESS}/23", "dev", "lan"),
            (*inside, "link", "set", "lan", "up"),
        ):
            subprocess.run(words, check=True, capture_output=True)
        dnsmasq = [
            "dnsmasq",
            "--conf-file=/dev/null",
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--no-ping",
        ]
        dnsmasq += [
            "--interface=lan",
            "--bind-interfaces",
            "--domain=school.example.pe",
            "--user=root",
            "--pid-file=",
        ]
        dnsmasq += ["--leasefile-ro", "--dhcp-range=172.18.0.50,172.18.0.99,1h", "--local-service"]
        dnsmasq += [f"--host-record=schoolserver,schoolserver.school.example.pe,{ADDRESS}"]
        for argv in (dnsmasq, *self._own):
            with self.log.open("ab") as log:
                words = ["ip", "netns", "exec", self.lan, *argv]
                self._processes.append(subprocess.Popen(words, env=self._environment, stdout=log, stderr=log))
        self._await_service()
        return self

    def _await_service(self) -> None:
        deadline = time.monotonic() + 60
        try_both = f": </dev/tcp/{ADDRESS}/191 </dev/tcp/{ADDRESS}/8080"
        ask = ["ip", "netns", "exec", self.lan, "bash", "-c", try_both]
        while subprocess.run(ask, capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(timeout=20)
        subprocess.run(["ip", "netns", "delete", self.lan], check=True)


def lan_of(folder: Path) -> str:
    """A namespace's name that no other test has."""
    return f"xo-boot-{folder.stat().st_ino}"
