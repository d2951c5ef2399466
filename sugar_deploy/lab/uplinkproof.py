"""Proves from the uplink's side what a school's server shows there, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import outside
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.spec import FAR_ADDRESS, UPLINK
from sugar_deploy.scenario.plan import Host
from sugar_deploy.scenario.variables import FirewallVariables

_WEB = (80, 8080)
LAPTOPS = {"registration": _WEB, "updates": _WEB, "statistics": _WEB, "presence": (5222, 5223)}
NOT_FOR_OUTSIDERS = (53, 873, 2222, 5269)
"""For the LAN only, and for the servers of the own federation."""
_FAR_PORT = 7070


@dataclass(frozen=True, slots=True)
class UplinkCheck:
    """One thing that was tried from the uplink."""

    school: str
    tried: str
    seen: str
    ok: bool


def expected_ports(host: Host, ssh: int) -> tuple[set[int], set[int]]:
    """TCP ports that must be open on the uplink, and those that must be closed there. Pure."""
    served = {port for service, ports in LAPTOPS.items() if service in host.services for port in ports}
    every = {port for ports in LAPTOPS.values() for port in ports} | set(NOT_FOR_OUTSIDERS)
    if "firewall" not in host.services:
        return {ssh}, set()
    if host.school.lan is None:
        return served | {ssh}, every - served
    wanted = {port for own in host.variables if isinstance(own, FirewallVariables) for port in own.uplink_ports}
    # Without an uplink in the deployment the cable leads nowhere that the server knows.
    return ({ssh} if host.school.uplink else set()), every - wanted


def prove(lab: Lab, host: Host) -> list[UplinkCheck]:
    """What the outsider sees of a school's server."""
    address = _uplink_address(lab, host)
    must, must_not = expected_ports(host, lab.machines[host.name].port)
    tried = sorted(must | must_not)
    seen = {int(port) for port in _look(lab, "ports", address, *map(str, tried))}
    checks = []
    if must:
        checks.append(UplinkCheck(host.name, f"TCP {_list(must)} open on {address}", _seen(seen), must <= seen))
    if must_not:
        checks.append(
            UplinkCheck(host.name, f"TCP {_list(must_not)} closed on {address}", _seen(seen), not (must_not & seen))
        )
    return checks


def prove_no_dhcp(lab: Lab) -> UplinkCheck:
    """No server gives addresses on the uplink."""
    answered = _look(lab, "dhcp", "eth0")
    return UplinkCheck(
        "uplink",
        "no answer to a DHCPDISCOVER",
        f"answers from {', '.join(answered)}" if answered else "silence",
        not answered,
    )


def prove_gateway(lab: Lab, host: Host) -> UplinkCheck:
    """A host of the lab's Internet is reached by laptops through a gateway, and else not at all."""
    address = _uplink_address(lab, host)
    waiting = subprocess.Popen(
        lab.outsider_argv(_program("wait", FAR_ADDRESS, str(_FAR_PORT))),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with waiting:
        assert waiting.stdout is not None
        waiting.stdout.readline()
        tries = f"timeout 4 bash -c 'echo > /dev/tcp/{FAR_ADDRESS}/{_FAR_PORT}'"
        lab.laptop(host.name).run(("sh", "-c", tries), check=False)
        callers: list[str] = json.loads(waiting.stdout.read() or "null") or []
    wanted = [address] if "gateway" in host.services else []
    tried = f"a laptop {'reaches' if wanted else 'does not reach'} {FAR_ADDRESS} beyond the uplink"
    return UplinkCheck(
        host.name, tried, f"came from {', '.join(callers)}" if callers else "nobody came", callers == wanted
    )


def _uplink_address(lab: Lab, host: Host) -> str:
    nics = lab.machines[host.name].spec.nics
    return next(nic.address.partition("/")[0] for nic in nics if nic.link == UPLINK and nic.address is not None)


def _program(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-I", str(Path(outside.__file__).resolve()), *words)


def _look(lab: Lab, *words: str) -> list[str]:
    done = lab.outsider(_program(*words))
    if done.returncode:
        raise DeployError(f"Looking from the uplink failed: {done.stderr.strip()}")
    found: list[str] = json.loads(done.stdout)
    return found


def _list(ports: set[int]) -> str:
    return ", ".join(map(str, sorted(ports)))


def _seen(ports: set[int]) -> str:
    return f"open: {_list(ports)}" if ports else "none open"
