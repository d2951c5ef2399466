"""What a scenario decides for each server: plain frozen data, computed without touching the world."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from sugar_deploy.deployment.model import Deployment, School
from sugar_deploy.scenario.variables import RoleVariables


@dataclass(frozen=True, slots=True)
class Connection:
    """How the deployer reaches a server by SSH."""

    address: str
    port: int
    user: str


@dataclass(frozen=True, slots=True)
class Host:
    """A school's server: what it runs and with which settings."""

    name: str
    title: str
    school: School
    fqdn: str
    connection: Connection
    services: frozenset[str]
    """Names from deployment.model.Services that run here."""
    packages: tuple[str, ...]
    """Packages that the roles install here, sorted."""
    groups: tuple[str, ...]
    """Inventory groups, sorted: scenario, role and one `service_<name>` for each service."""
    variables: tuple[RoleVariables, ...]
    """One for each of variables.PHASES, in that order."""
    master: str | None
    """A node's master; None for a master and for a peer that serves alone."""

    @property
    def lan_address(self) -> IPv4Address | None:
        """Where laptops find the server on the school's LAN; None where there is none."""
        return self.school.lan.address.ip if self.school.lan else None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole deployment, resolved."""

    deployment: Deployment
    hosts: tuple[Host, ...]
    """Sorted by name."""
