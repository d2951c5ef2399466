"""The services' settings in the deployment file's model, a class for each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sugar_deploy.deployment.section import Section, shared
from sugar_deploy.deployment.types import (
    Address,
    ClockTime,
    Count,
    Flag,
    HostName,
    Port,
    Slug,
)


class Service(Section):
    """What every service has in common."""

    enabled: Flag = Field(True, description="Run this service where the scenario offers it.")


class Registration(Service):
    """Registers laptops: Sugar's own XML-RPC on port 8080."""

    known_serial: Literal["accept", "hold", "reject"] = Field(
        "accept",
        description="What to do when a known XO's serial comes with a new key, as after reflashing: accept it "
        "as another identity, hold it for approval, or reject it.",
    )
    who: Literal["anyone", "listed"] = Field(
        "anyone", description="Who may register: anyone on the LAN, or only the school's listed laptops."
    )


class Presence(Service):
    """Presence and collaboration: Prosody as Sugar needs it."""

    max_stanza_kib: Count = Field(
        512, ge=64, le=10240, description="Largest XMPP stanza that a laptop may send, in KiB."
    )
    log_level: Literal["debug", "info", "warn", "error"] = Field(
        "info", description="How much Prosody writes to the journal."
    )
    neighborhood: Literal["school", "class"] = Field(
        "school",
        description="Whom a child sees: the whole school, or its class as the list of laptops tells it; those "
        "without a class see each other.",
    )
    accounts: Literal["anyone", "registered"] = Field(
        "anyone", description="Who may make an account: any laptop, or only those registered with the school server."
    )
    unused_account_days: Count = Field(
        400, ge=0, le=3650, description="Remove accounts that were not used for so many days; 0: never."
    )
    federation: Slug | None = Field(
        None,
        description="Name of a federation: the children of all schools that write the same name see each other over "
        "the network. By default none: a child sees nobody of another school; see docs/presence.md.",
    )


class Backup(Service):
    """Keeps the laptops' Journals: rsync over SSH to a service of its own on port 2222."""

    port_22: Flag | None = Field(
        None,
        description="Lead port 22 of the LAN to the backups, for laptops in the field, which know no other; by "
        "default wherever the administrator's SSH does not come in there.",
    )
    keep_days: Count = Field(
        90,
        ge=1,
        le=36500,
        description="Once the disk fills, what is older than this, in days, is thinned to a snapshot a month.",
    )
    quota_percent: Count = Field(
        70, ge=1, le=100, description="How full the disk may be, in per cent, before old snapshots are removed."
    )
    full_percent: Count = Field(
        90, ge=1, le=100, description="How full the disk may be, in per cent, before laptops are told to come later."
    )
    most_load: Count = Field(
        5, ge=1, le=1000, description="While the server's load average is higher, laptops are told to come later."
    )
    reserve_mib: Count = Field(
        256, ge=0, le=1048576, description="A transfer ends when less than this is free, in MiB."
    )
    laptop_quota_mib: Count = Field(
        0,
        ge=0,
        le=1048576,
        description="What one laptop's snapshots may take, in MiB, however empty the disk; 0: no such limit.",
    )


class Updates(Service):
    """Offers activities, system builds and the deployment's packages to laptops."""

    activities: Flag = Field(True, description="The library of activities, for people and for Sugar's updater.")
    largest_activity_mib: Count = Field(
        2048, ge=1, le=1048576, description="What an activity may have unpacked, in MiB, to be offered."
    )
    activities_sugarlabs_org: Flag = Field(
        False,
        description="Also answer laptops that ask activities.sugarlabs.org; services.dns.names has to lead that name "
        "to the server.",
    )
    builds: Flag = Field(True, description="System builds for olpc-update, by rsync on port 873 of the LAN.")
    packages: Flag = Field(True, description="The deployment's packages, for laptops on Debian and OLPC OS.")


class Statistics(Service):
    """Sums up which activities the laptops use, for the school; switched off, laptops are told to collect nothing."""

    keep_days: Count = Field(1100, ge=1, le=36500, description="How long the school's sums are kept, in days.")


class Pages(Service):
    """The teacher's pages; only the school's own networks see them."""

    public: Flag = Field(
        True, description="Show without a login who is registered, and when each laptop last backed up."
    )


class Antitheft(Service):
    """Leases for locked XO laptops: activation on port 191 of the LAN, and theft deterrence; see docs/leases.md."""

    enabled: Flag = Field(False, description="Run this service where the scenario offers it; it needs a lease key.")
    lease_days: Count = Field(
        30,
        ge=1,
        le=366,
        description="How long a lease is valid that the server issues by its delegation, in days: so long a stolen "
        "laptop goes on.",
    )
    renew_days: Count = Field(
        15, ge=1, le=366, description="A laptop that asks gets a new lease once its own ends within so many days."
    )
    renew_for: Literal["delegated", "registered"] = Field(
        "delegated",
        description="Who may renew: every laptop that is delegated to the server, or of those only the registered.",
    )


class Dhcp(Service):
    """Gives addresses to laptops on the school's LAN, never on the uplink."""

    lease_minutes: Count = Field(180, ge=2, le=10080, description="How long a laptop keeps its address, in minutes.")


class Dns(Service):
    """Resolves the school server's names on the LAN, and the Internet's where there is an uplink."""

    upstream: tuple[Address, ...] = Field(
        (), description="Resolvers to forward to; empty: those that the server itself uses."
    )
    names: dict[HostName, Address] = Field(
        default_factory=dict,
        description="More names on the LAN (printers, access points) and their addresses.",
    )


class Ntp(Service):
    """Keeps the server's clock and serves time to the LAN, from its own clock where there is no Internet."""

    upstream: tuple[HostName, ...] = Field(
        ("0.debian.pool.ntp.org", "1.debian.pool.ntp.org", "2.debian.pool.ntp.org"),
        description="Time servers to follow where there is an uplink.",
    )


class Gateway(Service):
    """Lets the LAN's laptops reach the Internet through the server (NAT)."""


class Upgrades(Service):
    """Unattended upgrades of the server from its repositories."""

    at: ClockTime = Field("03:30", description='When to upgrade: local time, quoted, as "03:30".')
    reboot: Flag = Field(False, description="Reboot after an upgrade that needs it.")


class Firewall(Service):
    """nftables: what is reachable from the LAN and from the uplink."""

    uplink_ports: tuple[Port, ...] = Field(
        (), description="More TCP ports to open to the uplink, besides SSH and the scenario's own."
    )
    connections_per_address: int | None = Field(
        None,
        ge=10,
        le=100_000,
        description="How many TCP connections to the services for laptops one address may have open at once, so that "
        "no laptop takes all of the server's memory; by default 1000 from the LAN, and 3000 from the uplink, where a "
        "whole school may be behind one address. A laptop has one to three.",
    )


class Ssh(Section):
    """The administrator's SSH access to the server."""

    password_login: Flag = Field(False, description="Let administrators log in with a password.")
    from_lan: Flag = Field(False, description="Accept the administrator's SSH from the laptops' LAN as well.")


class Services(Section):
    """The services' settings; a school overrides single keys of the deployment's."""

    registration: Registration = Field(default_factory=shared(Registration), description="Registration of laptops.")
    presence: Presence = Field(default_factory=shared(Presence), description="Presence and collaboration.")
    backup: Backup = Field(default_factory=shared(Backup), description="Backups of the laptops' Journals.")
    updates: Updates = Field(default_factory=shared(Updates), description="Updates for the laptops.")
    statistics: Statistics = Field(default_factory=shared(Statistics), description="Usage statistics.")
    pages: Pages = Field(default_factory=shared(Pages), description="The teacher's pages.")
    antitheft: Antitheft = Field(default_factory=shared(Antitheft), description="Leases for locked laptops.")
    dhcp: Dhcp = Field(default_factory=shared(Dhcp), description="Addresses on the LAN.")
    dns: Dns = Field(default_factory=shared(Dns), description="Names on the LAN.")
    ntp: Ntp = Field(default_factory=shared(Ntp), description="Time.")
    gateway: Gateway = Field(default_factory=shared(Gateway), description="Internet for the LAN.")
    upgrades: Upgrades = Field(default_factory=shared(Upgrades), description="Unattended upgrades.")
    firewall: Firewall = Field(default_factory=shared(Firewall), description="Firewall.")
    ssh: Ssh = Field(default_factory=shared(Ssh), description="Administrators' access.")
