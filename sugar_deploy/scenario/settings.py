"""The variables of each role, from a site: one function a role."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Interface
from typing import Literal, TypeVar

from sugar_deploy.deployment.administrator import comes_by_lan
from sugar_deploy.deployment.federation import federation_address
from sugar_deploy.deployment.names import server_name
from sugar_deploy.deployment.service_settings import Firewall, Service, Updates
from sugar_deploy.scenario.catalogue import what_roles_keep
from sugar_deploy.scenario.site import Site, address_range
from sugar_deploy.scenario.variables import (
    BaseVariables,
    FirewallVariables,
    LanVariables,
    Peer,
    PresenceVariables,
    RepositoryVariables,
    RoleVariables,
    SshdVariables,
    State,
    SugarServerVariables,
    TimeVariables,
    UpgradeVariables,
)

S = TypeVar("S", bound=Service)

_WEB = (80, 8080)
_SERVED: dict[str, tuple[int, ...]] = {
    "registration": _WEB,
    "presence": (5222, 5223),
    "updates": _WEB,
    "statistics": _WEB,
}
PORTS: dict[str, dict[str, tuple[int, ...]]] = {
    "lan_tcp": {
        **_SERVED,
        "dns": (53,),
        "backup": (*_WEB, 2222),
        "builds": (873,),
        "pages": _WEB,
        "antitheft": (*_WEB, 191),
    },
    "lan_udp": {"dns": (53,), "dhcp": (67,), "ntp": (123,)},
    "uplink_tcp": _SERVED,
}
"""The ports of each service that laptops reach: on the LAN, or where there is none on the uplink.

`builds` are a part of updates. The daemon's sockets are one unit: whatever it serves, it has both.
"""
IN_THE_DAEMON = frozenset({"registration", "backup", "updates", "statistics", "pages", "antitheft"})
"""Services that the role sugar_server brings."""


def repository(site: Site) -> RepositoryVariables:
    """The deployment's own repository."""
    chosen = site.deployment.repository
    return _repository(site.deployment.name, chosen.url, chosen.contents)


@lru_cache(maxsize=8)
def _repository(name: str, url: str | None, contents: Literal["own", "complete"]) -> RepositoryVariables:
    # One frozen instance for thousands of schools.
    return RepositoryVariables(name=name, url=url, contents=contents)


def upgrade(site: Site) -> UpgradeVariables:
    """What a restore point holds: the same everywhere, as what is not on a server takes no room there."""
    del site
    return _upgrade()


@lru_cache(maxsize=1)
def _upgrade() -> UpgradeVariables:
    kept = what_roles_keep()
    return UpgradeVariables(units=kept.units, paths=kept.paths)


def base(site: Site) -> BaseVariables:
    """Names, places, upgrades."""
    return BaseVariables(
        fqdn=site.fqdn,
        timezone=site.deployment.timezone,
        languages=site.deployment.languages,
        upgrades=site.settings.upgrades,
    )


def sshd(site: Site) -> SshdVariables:
    """The administrator's access."""
    return _sshd(site.settings.ssh.password_login, ssh_from_lan(site))


@lru_cache(maxsize=8)
def _sshd(password_login: bool, from_lan: bool) -> SshdVariables:
    return SshdVariables(password_login=password_login, from_lan=from_lan)


def ssh_from_lan(site: Site) -> bool:
    """Whether the administrator may come from the LAN."""
    return comes_by_lan(site.school, site.lan, site.settings.ssh)


def lan(site: Site) -> LanVariables:
    """The laptops' network, or its absence."""
    common = {
        "fqdn": site.fqdn,
        "domain": site.deployment.domain,
        "dhcp": site.settings.dhcp,
        "dns": site.settings.dns,
        "uplink": site.uplink,
    }
    if site.lan is None:
        return LanVariables(state="absent", **common)
    return LanVariables(
        state="present",
        interface=site.lan.interface,
        address=site.lan.address,
        range=address_range(site.lan),
        wireless=site.lan.wireless,
        gateway="gateway" in site.running,
        **common,
    )


def firewall(site: Site) -> FirewallVariables:
    """What is reachable: from the LAN where there is one, else from the uplink. SSH has its own rule."""
    lan_interface = site.lan.interface if site.lan else None
    port = site.school.server.port
    running = site.running | ({"builds"} if "updates" in site.running and _updates(site).builds else set())
    old_port = "backup" in running and site.settings.backup.port_22 is not False
    ours = _firewall(site.settings.firewall, port, ssh_from_lan(site), old_port, lan_interface, site.uplink, running)
    return ours.model_copy(update={"federation_from": _come_from(site)}) if site.fellows else ours


def _come_from(site: Site) -> tuple[str, ...]:
    """Where the servers of the federation come from; anywhere, if one is known by a name: certificates tell."""
    addresses = sorted(federation_address(school) for school in site.fellows.values())
    return tuple(addresses) if all(re.fullmatch(r"[0-9.]+", one) for one in addresses) else ("0.0.0.0/0",)


@lru_cache(maxsize=256)
def _firewall(
    chosen: Firewall,
    port: int,
    from_lan: bool,
    old_port: bool,
    lan: str | None,
    uplink: str | None,
    running: frozenset[str],
) -> FirewallVariables:
    return FirewallVariables(
        **vars(chosen),
        ssh_port=port,
        ssh_from_lan=from_lan,
        backup_by_ssh_port=old_port,
        lan_interface=lan,
        uplink_interface=uplink,
        lan_tcp=_ports("lan_tcp", running) if lan else (),
        lan_udp=_ports("lan_udp", running) if lan else (),
        uplink_tcp=() if lan else _ports("uplink_tcp", running),
        gateway="gateway" in running,
    )


def _ports(table: str, running: frozenset[str]) -> tuple[int, ...]:
    return tuple(sorted({port for name, ports in PORTS[table].items() if name in running for port in ports}))


def time(site: Site) -> TimeVariables:
    """The clock: whom it follows, whom it serves. With `ntp` switched off, nobody and nobody."""
    running = "ntp" in site.running
    follows = site.offer.follows_time == "always" or (
        site.offer.follows_time == "with-uplink" and site.uplink is not None
    )
    return _time(
        site.settings.ntp.upstream if running and follows else (),
        site.lan.address if running and site.lan else None,
        running and site.offer.own_clock and site.lan is not None,
    )


@lru_cache(maxsize=256)
def _time(upstream: tuple[str, ...], serve: IPv4Interface | None, local_clock: bool) -> TimeVariables:
    return TimeVariables(upstream=upstream, serve=serve, local_clock=local_clock)


def presence(site: Site) -> PresenceVariables:
    """Prosody."""
    return PresenceVariables(
        **vars(site.settings.presence),
        state=_state("presence", site),
        domain=site.fqdn,
        networks=(str(site.lan.address.network),) if site.lan else (),
        peers=tuple(
            Peer(domain=server_name(name, school, site.deployment.domain), address=federation_address(school))
            for name, school in site.fellows.items()
        ),
    )


def sugar_server(site: Site) -> SugarServerVariables:
    """The school server's daemon."""
    settings = site.settings
    return SugarServerVariables(
        **vars(settings.registration),
        state="present" if site.running & IN_THE_DAEMON else "absent",
        fqdn=site.fqdn,
        title=site.school.title or site.name,
        laptops=f"files/laptops/{site.name}.csv" if site.school.laptops else None,
        backup=_here("backup", settings.backup, site),
        updates=_updates(site),
        statistics=settings.statistics,
        pages=_here("pages", settings.pages, site),
        antitheft=_here("antitheft", settings.antitheft, site),
    )


def _updates(site: Site) -> Updates:
    """System builds, many gigabytes, are for the school's own network."""
    chosen = site.settings.updates
    return chosen if site.lan else chosen.model_copy(update={"builds": False})


def _here(name: str, settings: S, site: Site) -> S:
    """A service's settings, switched off where it is not offered."""
    return settings if name in site.running else settings.model_copy(update={"enabled": False})


def _state(service: str, site: Site) -> State:
    return "present" if service in site.running else "absent"


ROLES: tuple[Callable[[Site], RoleVariables], ...] = (
    repository,
    upgrade,
    base,
    sshd,
    lan,
    firewall,
    time,
    presence,
    sugar_server,
)
"""In the order of variables.PHASES."""
