"""The firewall's rules in the kernel: who reaches which port, from the laptops' LAN and from the uplink."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import jinja2
import pytest

TEMPLATE = Path(__file__).parents[3] / "roles" / "firewall" / "templates" / "sugar.nft.j2"
SERVER_LAN, SERVER_UPLINK, FAR = "172.18.96.1", "192.0.2.10", "192.0.2.1"
PORTS = (22, 80, 873, 2022, 2222)
REFUSED = ""
ROLE: dict[str, Any] = {
    "override_prefix": "/nonexistent/sugar-override-",
    "sshd": {"stdout_lines": ["22"]},
    "ssh_port": 22,
    "ssh_from_lan": False,
    "backup_by_ssh_port": True,
    "lan_interface": "lan0",
    "uplink_interface": "uplink0",
    "lan_tcp": [80, 873, 2222],
    "lan_udp": [],
    "uplink_tcp": [],
    "uplink_ports": [],
    "connections_per_address": None,
    "federation_from": [],
    "gateway": True,
}
# Says where it was reached, so that one sees what a port leads to.
LISTEN = """
import socket, sys, threading
def serve(port):
    listening = socket.create_server(("", port))
    while True:
        connection, _ = listening.accept()
        connection.sendall(f"{sys.argv[1]}:{port}".encode())
        connection.close()
for port in map(int, sys.argv[2:]):
    threading.Thread(target=serve, args=(port,)).start()
print("ready", flush=True)
"""
ASK = """
import socket, sys
try:
    print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).recv(99).decode(), end="")
except OSError:
    pass
"""
# Opens one connection after the other and keeps them all; the last is opened from another address of the machine.
HOLD = """
import socket, sys
server, port, count, other = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
held = []
for number in range(count):
    try:
        held.append(socket.create_connection((server, port), 10))
    except ConnectionRefusedError:
        print(number, end=" ")
        break
print(socket.create_connection((server, port), 10, (other, 0)).recv(99).decode(), end="")
"""


class Networks:
    """A school's server between a laptop and a machine on the Internet, each in a network namespace of its own."""

    def __init__(self) -> None:
        self.mark = uuid4().hex[:8]
        self.listeners: list[subprocess.Popen[str]] = []

    def name(self, machine: str) -> str:
        return f"fw-{self.mark}-{machine}"

    def run(self, machine: str, *argv: str, text: str | None = None) -> str:
        words = ["ip", "netns", "exec", self.name(machine), *argv]
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def make(self) -> None:
        for machine in ("server", "laptop", "far"):
            subprocess.run(["ip", "netns", "add", self.name(machine)], check=True)
            self.run(machine, "ip", "link", "set", "lo", "up")
        for interface, own, machine, other in (
            ("lan0", SERVER_LAN, "laptop", "172.18.96.7"),
            ("uplink0", SERVER_UPLINK, "far", FAR),
        ):
            peer = ("peer", "name", "eth0", "netns", self.name(machine))
            self.run("server", "ip", "link", "add", interface, "type", "veth", *peer)
            self.run("server", "ip", "address", "add", f"{own}/24", "dev", interface)
            self.run("server", "ip", "link", "set", interface, "up")
            self.run(machine, "ip", "address", "add", f"{other}/24", "dev", "eth0")
            self.run(machine, "ip", "link", "set", "eth0", "up")
            self.run(machine, "ip", "route", "add", "default", "via", own)
        self.run("server", "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.listen("server", *PORTS, 5269)
        self.listen("far", 22)

    def listen(self, machine: str, *ports: int) -> None:
        words = ["ip", "netns", "exec", self.name(machine), sys.executable, "-c", LISTEN, machine, *map(str, ports)]
        self.listeners.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        assert self.listeners[-1].stdout is not None
        assert self.listeners[-1].stdout.readline() == "ready\n"

    def load(self, **changed: Any) -> None:
        """Load the rules as the role writes them with these variables."""
        environment = jinja2.Environment(
            trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
        )
        variables = {f"firewall__{name}": value for name, value in {**ROLE, **changed}.items()}
        self.run("server", "nft", "-f", "-", text=environment.from_string(TEMPLATE.read_text()).render(variables))

    def asked(self, machine: str, address: str, port: int) -> str:
        """What answers there: machine and port, or nothing."""
        return self.run(machine, sys.executable, "-c", ASK, address, str(port))

    def from_laptop(self, *ports: int) -> dict[int, str]:
        return {port: self.asked("laptop", SERVER_LAN, port) for port in ports}

    def end(self) -> None:
        for listener in self.listeners:
            listener.kill()
            listener.communicate()
        for machine in ("server", "laptop", "far"):
            subprocess.run(["ip", "netns", "delete", self.name(machine)], check=False, capture_output=True)


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    made = Networks()
    try:
        made.make()
        yield made
    finally:
        made.end()


def test_port_22_of_the_lan_leads_to_the_backups_and_of_the_uplink_to_the_administrator(networks: Networks) -> None:
    networks.load()
    assert networks.from_laptop(22, 2222, 873, 2022) == {
        **{22: "server:2222", 2222: "server:2222", 873: "server:873"},
        2022: REFUSED,
    }
    from_uplink = {port: networks.asked("far", SERVER_UPLINK, port) for port in PORTS}
    assert from_uplink == {22: "server:22", 80: REFUSED, 873: REFUSED, 2022: REFUSED, 2222: REFUSED}
    # The server's other address is no way around, neither for laptops nor for the uplink.
    assert networks.asked("laptop", SERVER_UPLINK, 22) == "server:2222"
    assert networks.asked("far", SERVER_LAN, 22) in {"server:22", REFUSED}


def test_a_laptop_s_ssh_to_the_internet_arrives_there(networks: Networks) -> None:
    networks.load()
    assert networks.asked("laptop", FAR, 22) == "far:22"


@pytest.mark.parametrize(
    ("changed", "seen"),
    [
        # Where the administrator comes in from the LAN, and at port 22, it stays his.
        ({"ssh_from_lan": True}, {22: "server:22", 2022: REFUSED}),
        # He has a port of his own there.
        (
            {"ssh_from_lan": True, "ssh_port": 2022, "sshd": {"stdout_lines": ["22", "2022"]}},
            {22: "server:2222", 2022: "server:2022"},
        ),
        # His port is another machine's, which forwards it to port 22.
        ({"ssh_from_lan": True, "ssh_port": 40001}, {22: "server:22", 2022: REFUSED}),
        # Nobody could ask sshd: as in a plan for a machine that has none yet.
        ({"ssh_from_lan": True, "ssh_port": 2022, "sshd": {}}, {22: REFUSED, 2022: "server:2022"}),
        ({"backup_by_ssh_port": False}, {22: REFUSED, 2022: REFUSED}),
    ],
)
def test_the_administrator_is_never_locked_out(
    networks: Networks, changed: dict[str, Any], seen: dict[int, str]
) -> None:
    networks.load(**changed)
    assert networks.from_laptop(22, 2022) == seen
    wanted = changed.get("ssh_port", 22)
    assert networks.asked("far", SERVER_UPLINK, wanted if wanted in PORTS else 22).startswith("server:")


def test_a_forwarded_port_does_not_open_the_backups_to_the_uplink(networks: Networks) -> None:
    networks.load(ssh_port=2222)
    assert networks.asked("far", SERVER_UPLINK, 2222) == REFUSED
    assert networks.asked("far", SERVER_UPLINK, 22) == "server:22"
    # Where it is sshd's own it is open, whatever else that means.
    networks.load(ssh_port=2222, sshd={"stdout_lines": ["2222"]}, lan_tcp=[80], backup_by_ssh_port=False)
    assert networks.asked("far", SERVER_UPLINK, 2222) == "server:2222"


def test_without_a_lan_nothing_is_led_anywhere(networks: Networks) -> None:
    networks.load(lan_interface=None, lan_tcp=[], uplink_tcp=[80], gateway=False, backup_by_ssh_port=True)
    from_uplink = {port: networks.asked("far", SERVER_UPLINK, port) for port in (22, 80, 873, 2222)}
    assert from_uplink == {22: "server:22", 80: "server:80", 873: REFUSED, 2222: REFUSED}


def test_servers_come_in_from_their_own_federation_only(networks: Networks) -> None:
    networks.load()
    assert networks.asked("far", SERVER_UPLINK, 5269) == REFUSED
    networks.load(federation_from=["192.0.2.77", FAR])
    assert networks.asked("far", SERVER_UPLINK, 5269) == "server:5269"
    assert networks.from_laptop(5269) == {5269: REFUSED}
    networks.load(federation_from=["192.0.2.77"])
    assert networks.asked("far", SERVER_UPLINK, 5269) == REFUSED
    networks.load(federation_from=["0.0.0.0/0"], lan_interface=None, lan_tcp=[], gateway=False)
    assert networks.asked("far", SERVER_UPLINK, 5269) == "server:5269"


def test_the_rules_are_refused_at_once_on_the_lan(networks: Networks) -> None:
    """A laptop that is refused does not wait."""
    networks.load(backup_by_ssh_port=False)
    started = time.monotonic()
    assert networks.from_laptop(22) == {22: REFUSED}
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("machine", "server", "other", "changed"),
    [
        ("laptop", SERVER_LAN, "172.18.96.8", {}),
        ("far", SERVER_UPLINK, "192.0.2.2", {"lan_interface": None, "uplink_tcp": [80], "gateway": False}),
    ],
)
def test_one_address_cannot_take_all_connections(
    networks: Networks, machine: str, server: str, other: str, changed: dict[str, Any]
) -> None:
    networks.load(connections_per_address=12, **changed)
    networks.run(machine, "ip", "address", "add", f"{other}/24", "dev", "eth0")
    try:
        said = networks.run(machine, sys.executable, "-c", HOLD, server, "80", "40", other)
    finally:
        networks.run(machine, "ip", "address", "delete", f"{other}/24", "dev", "eth0")
    assert said == "12 server:80"
    # They are free again when they are closed; and the administrator's are not counted.
    assert networks.asked(machine, server, 80) == "server:80"
    assert networks.asked("far", SERVER_UPLINK, 22) == "server:22"


def test_a_school_behind_one_router_has_room(networks: Networks) -> None:
    networks.load()
    assert networks.run("laptop", sys.executable, "-c", HOLD, SERVER_LAN, "80", "900", "172.18.96.7") == "server:80"
