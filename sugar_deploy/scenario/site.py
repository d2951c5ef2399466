"""One school as its scenario sees it: what runs there, under which name, on which networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface

from sugar_deploy.deployment.model import AddressRange, Deployment, Lan, Scenario, School
from sugar_deploy.deployment.names import server_name
from sugar_deploy.deployment.service_settings import Services
from sugar_deploy.scenario import offline_server, online_peers, online_server, peer_server
from sugar_deploy.scenario.offer import EVERYWHERE, Offer

OFFERS: dict[Scenario, Offer] = {
    Scenario.ONLINE_PEERS: online_peers.OFFER,
    Scenario.ONLINE_SERVER: online_server.OFFER,
    Scenario.OFFLINE_SERVER: offline_server.OFFER,
    Scenario.PEER_SERVER: peer_server.OFFER,
}


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that the roles' variables of one server are made from."""

    name: str
    school: School
    deployment: Deployment
    settings: Services
    """The services' settings in force here, switched off or not."""
    offer: Offer
    fqdn: str
    lan: Lan | None
    """The LAN that is served; None where the scenario serves none."""
    running: frozenset[str]
    """Services that are offered and switched on."""
    fellows: Mapping[str, School]
    """The other schools of its federation."""

    @property
    def uplink(self) -> str | None:
        """The interface towards the Internet, if it is known."""
        return self.school.uplink.interface if self.school.uplink else None


def site(
    name: str,
    school: School,
    deployment: Deployment,
    settings: Services,
    fellows: Mapping[str, School],
) -> Site:
    """Apply the scenario's offer to a school."""
    offer = OFFERS[school.scenario]
    lan = school.lan if offer.serves_lan else None
    offered = EVERYWHERE | offer.lan_services if lan else EVERYWHERE
    return Site(
        name=name,
        school=school,
        deployment=deployment,
        settings=settings,
        offer=offer,
        fqdn=server_name(name, school, deployment.domain),
        lan=lan,
        running=frozenset(service for service in offered if getattr(settings, service).enabled),
        fellows=fellows,
    )


def address_range(lan: Lan) -> AddressRange | None:
    """The laptops' addresses: as described, else all above the server's; None where it sits at the very top."""
    if lan.range:
        return lan.range
    return _above(lan.address)


@lru_cache(maxsize=256)
def _above(address: IPv4Interface) -> AddressRange | None:
    # Very many schools have the same network.
    first, last = int(address.ip) + 1, int(address.network.broadcast_address) - 1
    if first > last:
        return None
    return AddressRange(first=IPv4Address(first), last=IPv4Address(last))
