"""Makes the lab's laptop of a school one that can check it: its address, its way to the server, its programs."""

from __future__ import annotations

import time

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.lab.client import install_client
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.spec import UPLINK
from sugar_deploy.scenario.plan import Host

_ADDRESS_SECONDS = 60.0


def ready_laptop(lab: Lab, host: Host, folder: Folder) -> str:
    """Say what its address is, once it has one."""
    laptop = lab.laptop(host.name)
    if host.school.lan is None:
        address = f"{laptop.spec.nics[0].address}".partition("/")[0]
        _name_server(lab, laptop, host)
    elif "dhcp" in host.services:
        address = _ask_for_address(laptop)
    else:
        raise DeployError(
            f"{host.name} gives its LAN no addresses, so the lab's laptop has none",
            "Switch services.dhcp on to try it in the lab",
        )
    install_sugaroid(laptop, folder)
    if laptop.spec.sugar:
        install_client(laptop, host, folder, lab.suite)
    return f"{laptop.name} has {address}"


def _name_server(lab: Lab, laptop: Machine, host: Host) -> None:
    """What the Internet's DNS says to laptops that are not on a school's LAN."""
    nics = lab.machines[host.name].spec.nics
    address = next(nic.address.partition("/")[0] for nic in nics if nic.link == UPLINK and nic.address)
    script = 'grep -qsxF "$1" /etc/hosts || printf "%s\\n" "$1" >> /etc/hosts'
    laptop.run(("sh", "-c", script, "sh", f"{address} {host.fqdn}"))


def _ask_for_address(laptop: Machine) -> str:
    """Ask by DHCP, as a laptop does that joins the network."""
    laptop.run(("systemctl", "restart", "lab-dhcp.service"))
    until = time.monotonic() + _ADDRESS_SECONDS
    nic = laptop.spec.nics[0].name
    while time.monotonic() < until:
        words = laptop.run(("ip", "-4", "-oneline", "address", "show", "dev", nic)).stdout.split()
        if "inet" in words:
            return words[words.index("inet") + 1].partition("/")[0]
        time.sleep(0.5)
    raise DeployError(
        f"{laptop.name} got no address by DHCP in {_ADDRESS_SECONDS:.0f} s",
        "Look at what it asked: sugar-deploy lab shell, journalctl -u lab-dhcp",
    )


def install_sugaroid(laptop: Machine, folder: Folder) -> None:
    """From the deployment's own repository, as published."""
    published = sorted(folder.published.rglob("sugaroid_*.deb"), key=lambda file: file.stat().st_mtime)
    if not published:
        raise DeployError(
            f"{folder.published} holds no package sugaroid", f"Publish it: sugar-deploy repo publish -C {folder.root}"
        )
    laptop.put(published[-1], "/var/cache/apt/archives/sugaroid-lab.deb")
    script = (
        "export DEBIAN_FRONTEND=noninteractive; apt-get -q update && "
        "apt-get -qy --no-install-recommends install /var/cache/apt/archives/sugaroid-lab.deb"
    )
    laptop.run(("sh", "-c", script), timeout_seconds=1800)
