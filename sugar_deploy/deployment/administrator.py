"""Where the administrator's SSH comes in, and what else wants its port."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address

from sugar_deploy.deployment.model import Deployment, Lan, School
from sugar_deploy.deployment.service_settings import Ssh
from sugar_deploy.deployment.services import effective_section

SSH_PORT = 22
"""Where laptops in the field bring their backups, and where sshd listens unless it is told otherwise."""


def comes_by_lan(school: School, lan: Lan | None, ssh: Ssh) -> bool:
    """Whether the administrator may come from the LAN that is served: if wanted, or if no other way in is known.

    A server without an uplink, or one whose address for SSH is in the LAN, would lock its deployer out.
    """
    if lan is None:
        return False
    return ssh.from_lan or school.uplink is None or _is_in(lan, school.server.address)


def keeps_backups_from_port(deployment: Deployment, school: School, lan: Lan | None) -> bool:
    """Whether port 22 of the LAN is the administrator's, so that laptops in the field cannot back up there."""
    if lan is None or school.server.port != SSH_PORT:
        return False
    backup = effective_section(deployment, school, "backup")
    if not backup.enabled or backup.port_22 is False:
        return False
    return comes_by_lan(school, lan, effective_section(deployment, school, "ssh"))


def _is_in(lan: Lan, address: str) -> bool:
    if not address[-1].isdigit():
        return False
    try:
        return IPv4Address(address) in lan.address.network
    except AddressValueError:
        return False
