"""The lab's network: a switch with a bridge per link, in network namespaces that end with the lab.

All of it lives in the supervisor's own mount namespace, where /run/netns is private: nothing to clear away.
"""

from __future__ import annotations

from collections.abc import Iterable

from sugar_deploy.lab.process import Argv, execute
from sugar_deploy.lab.spec import FAR_ADDRESS, INTERNET_ADDRESS, UPLINK, LabSpec

SWITCH = "switch"
OUTSIDER = "outsider"


def namespace(machine: str) -> str:
    """The network namespace of a machine; no machine's name can collide with switch or outsider."""
    return f"m-{machine}"


def switch_argvs(spec: LabSpec) -> list[Argv]:
    """The switch, its bridges, and the outsider on the uplink, who is also the Internet."""
    argvs: list[Argv] = [("ip", "netns", "add", SWITCH), ("ip", "-n", SWITCH, "link", "set", "lo", "up")]
    for link in spec.links:
        argvs += [
            ("ip", "-n", SWITCH, "link", "add", "name", link, "type", "bridge", "mcast_snooping", "0"),
            ("ip", "-n", SWITCH, "link", "set", link, "up"),
        ]
    argvs += [("ip", "netns", "add", OUTSIDER), ("ip", "-n", OUTSIDER, "link", "set", "lo", "up")]
    argvs += plug_argvs(OUTSIDER, "eth0", UPLINK, "outsider")
    argvs += [
        ("ip", "-n", OUTSIDER, "address", "add", f"{INTERNET_ADDRESS}/24", "dev", "eth0"),
        ("ip", "-n", OUTSIDER, "address", "add", f"{FAR_ADDRESS}/32", "dev", "lo"),
        ("ip", "-n", OUTSIDER, "link", "set", "eth0", "up"),
    ]
    return argvs


def plug_argvs(into: str, nic: str, link: str, port: str) -> list[Argv]:
    """A cable from NIC in the namespace INTO to the switch's bridge LINK."""
    return [
        ("ip", "-n", SWITCH, "link", "add", "name", port, "type", "veth", "peer", "name", nic, "netns", into),
        ("ip", "-n", SWITCH, "link", "set", port, "master", link, "up"),
    ]


def port(machine: int, nic: int) -> str:
    """The switch's port for a machine's interface, both by number: short enough for a kernel name."""
    return f"p{machine}-{nic}"


def fresh_namespace_argvs(machine: str) -> list[Argv]:
    """An empty namespace: a machine that boots finds nothing of its former life."""
    name = namespace(machine)
    return [("ip", "netns", "add", name), ("ip", "-n", name, "link", "set", "lo", "up")]


def run_all(argvs: Iterable[Argv]) -> None:
    """Run them in order."""
    for argv in argvs:
        execute(argv, timeout_seconds=20)
