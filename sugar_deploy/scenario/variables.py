"""What each role receives: one model a role, in the order in which roles are applied.

A role's variable is `<role>__<field>`. `meta/argument_specs.yml` of every role is generated from these classes;
fields shared with the deployment file are inherited from its model, so that a fact is described once.
"""

from __future__ import annotations

from ipaddress import IPv4Interface
from typing import ClassVar, Literal

from pydantic import Field

from sugar_deploy.deployment.model import AddressRange, Wireless
from sugar_deploy.deployment.section import Section
from sugar_deploy.deployment.service_settings import (
    Antitheft,
    Backup,
    Dhcp,
    Dns,
    Firewall,
    Pages,
    Presence,
    Registration,
    Ssh,
    Statistics,
    Updates,
    Upgrades,
)

State = Literal["present", "absent"]


class RoleVariables(Section):
    """Variables of one role."""

    role: ClassVar[str]


class RepositoryVariables(RoleVariables):
    """Attaches the deployment's signed repository, its key pinned."""

    role: ClassVar[str] = "repository"
    name: str = Field(description="The deployment's name: names the source and its keyring.")
    url: str | None = Field(description="Where the repository is; null: carried to the server by `apply`.")
    contents: Literal["own", "complete"] = Field(
        "own", description="complete: this repository holds all that the server needs, and is its only source."
    )


class UpgradeVariables(RoleVariables):
    """Brings installed packages to the repository's versions, with a way back."""

    role: ClassVar[str] = "upgrade"
    units: tuple[str, ...] = Field(description="Services that a restore point is about, in the order of stopping.")
    paths: tuple[str, ...] = Field(description="Their settings and data.")


class BaseVariables(RoleVariables):
    """Host name, time zone, locales and unattended upgrades."""

    role: ClassVar[str] = "base"
    fqdn: str = Field(description="The server's full name.")
    timezone: str = Field(description="IANA time zone.")
    languages: tuple[str, ...] = Field(description="Locales, the default one first.")
    upgrades: Upgrades = Field(description="Unattended upgrades.")


class SshdVariables(RoleVariables, Ssh):
    """The administrator's SSH access."""

    role: ClassVar[str] = "sshd"


class LanVariables(RoleVariables):
    """The laptops' network: interface, DHCP, DNS and, where wanted, the gateway to the Internet."""

    role: ClassVar[str] = "lan"
    state: State = Field(description="present: the server serves a LAN.")
    fqdn: str = Field(description="The server's full name, resolved to its LAN address.")
    domain: str = Field(description="Search domain of the laptops.")
    interface: str | None = Field(None, description="Interface towards the laptops.")
    address: IPv4Interface | None = Field(None, description="The server's address and prefix on it.")
    range: AddressRange | None = Field(None, description="Addresses for laptops.")
    uplink: str | None = Field(None, description="Interface towards the Internet; never served.")
    gateway: bool = Field(False, description="Route the laptops to the Internet.")
    dhcp: Dhcp = Field(default_factory=Dhcp, description="Addresses on the LAN.")
    dns: Dns = Field(default_factory=Dns, description="Names on the LAN.")
    wireless: Wireless | None = Field(None, description="For a radio that the server operates itself.")


class FirewallVariables(RoleVariables, Firewall):
    """nftables: what is reachable from where."""

    role: ClassVar[str] = "firewall"
    ssh_port: int = Field(description="Port of the administrator's SSH.")
    ssh_from_lan: bool = Field(description="Accept the administrator's SSH from the LAN.")
    backup_by_ssh_port: bool = Field(
        False, description="Lead port 22 of the LAN to the backups, unless the administrator's SSH needs it there."
    )
    lan_interface: str | None = Field(None, description="Interface towards the laptops.")
    uplink_interface: str | None = Field(None, description="Interface towards the Internet.")
    lan_tcp: tuple[int, ...] = Field(description="TCP ports open to laptops.")
    lan_udp: tuple[int, ...] = Field(description="UDP ports open to laptops.")
    uplink_tcp: tuple[int, ...] = Field(description="TCP ports open to the uplink.")
    federation_from: tuple[str, ...] = Field(
        (), description="Addresses or networks of the servers that may reach port 5269 from the uplink."
    )
    gateway: bool = Field(False, description="Forward and masquerade the LAN's traffic.")


class TimeVariables(RoleVariables):
    """chrony: follows time servers, serves the LAN, and is its clock where there is no Internet."""

    role: ClassVar[str] = "time"
    upstream: tuple[str, ...] = Field(description="Time servers to follow; empty: none.")
    serve: IPv4Interface | None = Field(None, description="The LAN to serve time to.")
    local_clock: bool = Field(description="Serve the own clock, with a high stratum, while nothing better is known.")


class Peer(Section):
    """Another school's server, of the same federation."""

    domain: str = Field(description="Its XMPP domain.")
    address: str = Field(description="Where it is reached, on port 5269.")


class PresenceVariables(RoleVariables, Presence):
    """Prosody as Sugar needs it."""

    role: ClassVar[str] = "presence"
    state: State = Field(description="absent: stop and remove the service.")
    domain: str = Field(description="XMPP domain: the server's full name.")
    networks: tuple[str, ...] = Field(
        (), description="Networks from which laptops may make accounts; empty: wherever the firewall lets them in."
    )
    peers: tuple[Peer, ...] = Field((), description="The servers of the other schools of its federation.")


class SugarServerVariables(RoleVariables, Registration):
    """The school server's daemon."""

    role: ClassVar[str] = "sugar_server"
    state: State = Field(description="absent: stop and remove the service, keeping its data.")
    fqdn: str = Field(description="The name that laptops are given for presence and backup.")
    title: str = Field(description="The school's name for people.")
    laptops: str | None = Field(None, description="CSV of the school's laptops, relative to the project.")
    backup: Backup = Field(description="Backups of the laptops' Journals.")
    updates: Updates = Field(description="Updates for the laptops.")
    statistics: Statistics = Field(description="Usage statistics.")
    pages: Pages = Field(description="The teacher's pages.")
    antitheft: Antitheft = Field(description="Leases for locked laptops.")


PHASES: tuple[type[RoleVariables], ...] = (
    RepositoryVariables,
    UpgradeVariables,
    BaseVariables,
    SshdVariables,
    LanVariables,
    FirewallVariables,
    TimeVariables,
    PresenceVariables,
    SugarServerVariables,
)
"""The roles in the order in which they are applied; each is a phase of the journal."""
