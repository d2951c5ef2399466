"""The deployment file's model: the single source for defaults, validation, schema, docs and argument specs.

Each field carries its description; a rule that concerns one value lives in its type, a rule that concerns
several sections lives in `rules.py`. The services' settings are in `service_settings.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from sugar_deploy.deployment.section import Section, shared
from sugar_deploy.deployment.service_settings import Services
from sugar_deploy.deployment.types import (
    Address,
    Architecture,
    Count,
    Country,
    DomainName,
    Flag,
    HostName,
    HttpUrl,
    ImageSuite,
    Interface,
    InterfaceName,
    Locale,
    Network,
    Nick,
    PackageName,
    Port,
    RelativePath,
    SecurityMirror,
    Serial,
    Slug,
    Ssid,
    Suite,
    Timezone,
    Title,
    UserName,
    Uuid,
)


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
    security_mirror: SecurityMirror | None = Field(
        None,
        description="Mirror of Debian's security updates; by default this machine's own, else Debian's. none: leave "
        "them out, for trying images out where no mirror has them, never for a school.",
    )
    packages: tuple[PackageName, ...] = Field((), description="More of Debian's packages to hold.")
    clients: Flag = Field(False, description="Also hold what a laptop on Debian needs: Sugar and its settings.")
    kernel: Flag = Field(True, description="For complete contents: also hold Debian's kernel and boot loaders.")
    keep: Count = Field(5, ge=2, le=100, description="How many snapshots can be rolled back to.")


class Images(Section):
    """Images for laptops: for which, and what they hold besides Sugar and the deployment's settings."""

    models: tuple[str, ...] = Field(
        (),
        description="Models that images are made for, as `image list` names them, as xo-1.5: a complete repository "
        "holds all that composing these needs.",
    )
    suites: dict[str, ImageSuite] = Field(
        default_factory=dict,
        description="The Debian release for a model that several run on, as xo-4: trixie; by default its first.",
    )
    packages: tuple[PackageName, ...] = Field(
        (), description="More packages for every image: Debian's, or yours from debs/."
    )
    scenario: Scenario | None = Field(
        None, description="The scenario whose laptops are made; by default that of most schools."
    )
    server: Flag = Field(
        False,
        description="Make the laptop its class's server: at its first start it becomes that of a school of the "
        "scenario peer-server, without a network.",
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
        default_factory=shared(Services), description="Overrides, for this school, of the deployment's services."
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
    repository: Repository = Field(default_factory=shared(Repository), description="The deployment's packages.")
    images: Images = Field(default_factory=shared(Images), description="Images for laptops.")
    services: Services = Field(default_factory=shared(Services), description="Services' settings for all schools.")
    schools: dict[Slug, School] = Field(default_factory=dict, description="The schools, by short name.")
    schools_from: RelativePath | None = Field(
        None,
        description="CSV with one school a row: a `name` column, and columns named by dotted keys of a school, "
        "as server.address or services.presence.enabled.",
    )
