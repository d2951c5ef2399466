"""The deployment file's model: the single source for defaults, validation, schema, docs and argument specs.

Each field carries its description; a rule that concerns one value lives in its type, a rule that concerns
several sections lives in `rules.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sugar_deploy.deployment.types import (
    Address,
    Architecture,
    ClockTime,
    Count,
    Country,
    DomainName,
    Flag,
    HostName,
    HttpUrl,
    Interface,
    InterfaceName,
    Locale,
    Network,
    Nick,
    PackageName,
    Port,
    RelativePath,
    Serial,
    Slug,
    Ssid,
    Suite,
    Timezone,
    Title,
    UserName,
    Uuid,
)

S = TypeVar("S", bound="Section")


class Section(BaseModel):
    """A mapping of the deployment file: frozen after load, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)


def _shared(section: type[S]) -> Callable[[], S]:
    """A section's default: one frozen instance for all, which thousands of schools share."""
    instance = section()
    return lambda: instance


class Scenario(StrEnum):
    """How a school's laptops reach their server, and how the server is synchronised."""

    ONLINE_PEERS = "online-peers"
    ONLINE_SERVER = "online-server"
    OFFLINE_SERVER = "offline-server"
    PEER_SERVER = "peer-server"


class Role(StrEnum):
    """A master holds the deployment's registry; a node synchronises with its master."""

    MASTER = "master"
    NODE = "node"


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


class Ssh(Section):
    """The administrator's SSH access to the server."""

    password_login: Flag = Field(False, description="Let administrators log in with a password.")
    from_lan: Flag = Field(False, description="Accept the administrator's SSH from the laptops' LAN as well.")


class Services(Section):
    """The services' settings; a school overrides single keys of the deployment's."""

    registration: Registration = Field(default_factory=_shared(Registration), description="Registration of laptops.")
    presence: Presence = Field(default_factory=_shared(Presence), description="Presence and collaboration.")
    backup: Backup = Field(default_factory=_shared(Backup), description="Backups of the laptops' Journals.")
    updates: Updates = Field(default_factory=_shared(Updates), description="Updates for the laptops.")
    statistics: Statistics = Field(default_factory=_shared(Statistics), description="Usage statistics.")
    pages: Pages = Field(default_factory=_shared(Pages), description="The teacher's pages.")
    antitheft: Antitheft = Field(default_factory=_shared(Antitheft), description="Leases for locked laptops.")
    dhcp: Dhcp = Field(default_factory=_shared(Dhcp), description="Addresses on the LAN.")
    dns: Dns = Field(default_factory=_shared(Dns), description="Names on the LAN.")
    ntp: Ntp = Field(default_factory=_shared(Ntp), description="Time.")
    gateway: Gateway = Field(default_factory=_shared(Gateway), description="Internet for the LAN.")
    upgrades: Upgrades = Field(default_factory=_shared(Upgrades), description="Unattended upgrades.")
    firewall: Firewall = Field(default_factory=_shared(Firewall), description="Firewall.")
    ssh: Ssh = Field(default_factory=_shared(Ssh), description="Administrators' access.")


class Repository(Section):
    """Where servers take the deployment's packages from."""

    url: HttpUrl | None = Field(
        None,
        description="Where `repo publish` puts the repository on the web; without it, `apply` carries the "
        "repository to each server.",
    )
    contents: Literal["own", "complete"] = Field(
        "own",
        description="own: our packages and yours, servers take Debian's from their own mirror; complete: also all "
        "that the servers need from Debian, so that they need no other source and no Internet.",
    )
    suites: tuple[Suite, ...] = Field(
        ("bookworm", "trixie"), min_length=1, description="Debian releases that the servers run."
    )
    architectures: tuple[Architecture, ...] = Field(
        ("amd64",), min_length=1, description="The servers' architectures, for complete contents."
    )
    mirror: HttpUrl | None = Field(
        None, description="Debian mirror to derive from; by default this machine's own, else deb.debian.org."
    )
    security_mirror: HttpUrl | None = Field(
        None, description="Mirror of Debian's security updates; by default this machine's own, else Debian's."
    )
    packages: tuple[PackageName, ...] = Field((), description="More of Debian's packages to hold.")
    clients: Flag = Field(False, description="Also hold what a laptop on Debian needs: Sugar and its settings.")
    kernel: Flag = Field(True, description="For complete contents: also hold Debian's kernel and boot loaders.")
    keep: Count = Field(5, ge=2, le=100, description="How many snapshots can be rolled back to.")


class Images(Section):
    """What images for laptops hold besides Sugar and the deployment's settings."""

    packages: tuple[PackageName, ...] = Field(
        (), description="More packages for every image: Debian's, or yours from debs/."
    )
    scenario: Scenario | None = Field(
        None, description="The scenario whose laptops are made; by default that of most schools."
    )
    server: Flag = Field(
        False, description="Let the laptop be able to serve its class: the packages of peer-server are on it."
    )
    kernels: dict[str, PackageName] = Field(
        default_factory=dict,
        description="Your own kernel for a model, by its name, as xo-1: linux-image-xo1.",
    )


class Server(Section):
    """The machine that serves the school, as the deployer reaches it."""

    address: HostName = Field(description="Host name or IPv4 address for SSH.")
    user: UserName = Field("root", description="SSH user: root, or one who may use sudo.")
    port: Port = Field(22, description="SSH port.")
    fqdn: DomainName | None = Field(
        None,
        description="The server's full name, by which laptops know it; by default the school's name in the "
        "deployment's domain.",
    )
    federation_address: HostName | None = Field(
        None,
        description="Host name or IPv4 address by which servers of other schools of its federation reach this one, "
        "on port 5269; by default the address for SSH.",
    )


class Uplink(Section):
    """The server's side towards the Internet or the rest of the building."""

    interface: InterfaceName = Field(description="Network interface, as `ip link` names it.")
    network: Network | None = Field(
        None, description="Its network, so that `check` can tell when the LAN overlaps it."
    )


class AddressRange(Section):
    """A range of addresses, both ends included."""

    first: Address = Field(description="First address.")
    last: Address = Field(description="Last address.")


class Wireless(Section):
    """The LAN's interface is a radio that the server itself operates."""

    mode: Literal["ad-hoc", "access-point"] = Field(
        "ad-hoc", description="ad-hoc (IBSS, as Sugar's own ad-hoc networks) or access-point."
    )
    ssid: Ssid = Field("Ad-hoc Network 1", description="Name of the wireless network.")
    channel: Literal[1, 6, 11] = Field(1, description="2.4 GHz channel; Sugar looks on 1, 6 and 11.")
    country: Country = Field(description='Country, for the radio\'s regulations, as "PE".')


class Lan(Section):
    """The laptops' network."""

    interface: InterfaceName = Field(description="Network interface towards the laptops.")
    address: Interface = Field(description="The server's address with its prefix, as 172.18.96.1/19.")
    range: AddressRange | None = Field(
        None, description="Addresses for laptops; by default all of the network above the server's address."
    )
    wireless: Wireless | None = Field(None, description="For a radio that the server operates itself.")


class School(Section):
    """A site with one server and its laptops."""

    title: Title | None = Field(None, description="The school's name for people; by default its key.")
    scenario: Scenario = Field(description="How laptops are served here.")
    role: Role = Field(Role.NODE, description="master: holds the registry; node: synchronises with its master.")
    master: Slug | None = Field(None, description="A node's master; by default the deployment's only one.")
    server: Server = Field(description="The machine that serves the school.")
    uplink: Uplink | None = Field(None, description="The server's side towards the Internet.")
    lan: Lan | None = Field(None, description="The laptops' network; required where the server serves a LAN.")
    services: Services = Field(
        default_factory=_shared(Services), description="Overrides, for this school, of the deployment's services."
    )
    laptops: RelativePath | None = Field(None, description="CSV of the school's laptops: serial, uuid, nick, group.")


class Laptop(Section):
    """A row of a school's laptops CSV."""

    serial: Serial = Field(description="The XO's serial number, as SHC00700123.")
    uuid: Uuid | None = Field(None, description="The XO's motherboard UUID.")
    nick: Nick | None = Field(None, description="The child's name, if wanted.")
    group: Slug | None = Field(None, description="The child's class.")


class Deployment(Section):
    """One country's or project's whole installation."""

    version: Literal[1] = Field(description="Version of this file's format: 1.")
    name: Slug = Field(description="Short name, used in file, package and repository names.")
    title: Title = Field(description="Name for people.")
    timezone: Timezone = Field("UTC", description="IANA time zone, as America/Lima.")
    languages: tuple[Locale, ...] = Field(
        ("en_US",), min_length=1, description="Locales, the default one first, as [es_PE, qu_PE]."
    )
    domain: DomainName = Field(
        "lan", description="DNS domain in which each school's server is <school>.<domain>; never .local."
    )
    demonstration: Flag = Field(
        False,
        description="A technology demonstration: its laptops trust the keys of `keys create --demo`, which protect "
        "nothing and are refused everywhere else. Never for children's laptops.",
    )
    repository: Repository = Field(default_factory=_shared(Repository), description="The deployment's packages.")
    images: Images = Field(default_factory=_shared(Images), description="Images for laptops.")
    services: Services = Field(default_factory=_shared(Services), description="Services' settings for all schools.")
    schools: dict[Slug, School] = Field(default_factory=dict, description="The schools, by short name.")
    schools_from: RelativePath | None = Field(
        None,
        description="CSV with one school a row: a `name` column, and columns named by dotted keys of a school, "
        "as server.address or services.presence.enabled.",
    )
