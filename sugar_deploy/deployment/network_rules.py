"""What the addresses of one school must obey."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from sugar_deploy.deployment.faults import Fault
from sugar_deploy.deployment.model import Deployment, Lan
from sugar_deploy.deployment.names import server_name
from sugar_deploy.deployment.rules import Rule, Site

SERVER_NAMES = frozenset(
    {"schoolserver", "school", "library", "presence", "xs", "www", "ntp", "time", "box", "escuela", "schule"}
)
"""The names by which laptops look for their server, as the role `lan` gives them."""
_TAKEN, _RENAME = "is the school server's own name", "Choose another name."
SMALLEST_RANGE = 8
"""Fewer addresses than this are a mistake in the prefix, not a school."""
_SHORTEST_PREFIX, _LONGEST_PREFIX = 8, 28
_UNUSABLE = {
    IPv4Network("0.0.0.0/8"): "belongs to no network",
    IPv4Network("127.0.0.0/8"): "never leaves the machine",
    IPv4Network("169.254.0.0/16"): "is what machines give themselves without a server",
    IPv4Network("224.0.0.0/3"): "is for multicast and experiments",
}


def interfaces_differ(site: Site) -> Iterator[Fault]:
    """DHCP is never served on the uplink."""
    lan, uplink = site.school.lan, site.school.uplink
    if lan and uplink and lan.interface == uplink.interface:
        message = f"{lan.interface} is the uplink's interface as well"
        yield site.fault("lan.interface", message, "Give the LAN an interface of its own.")


def networks_apart(site: Site) -> Iterator[Fault]:
    """The server can tell the LAN's addresses from the uplink's."""
    lan, uplink = site.school.lan, site.school.uplink
    if lan and uplink and uplink.network and lan.address.network.overlaps(uplink.network):
        message = f"the LAN {lan.address.network} overlaps the uplink's network {uplink.network}"
        yield site.fault("lan.address", message, "Choose another network for the LAN, as 172.18.96.1/19.")


def address_usable(site: Site) -> Iterator[Fault]:
    """The server's address is one that a host of its network may have."""
    if site.school.lan is None:
        return
    address = site.school.lan.address
    network = address.network
    if not _SHORTEST_PREFIX <= network.prefixlen <= _LONGEST_PREFIX:
        message = f"the prefix /{network.prefixlen} makes a network of {network.num_addresses} addresses"
        if network.prefixlen == 32:
            message = f"{address.ip} has no prefix"
        remedy = f"Write one from /{_SHORTEST_PREFIX} to /{_LONGEST_PREFIX}, as {address.ip}/19."
        yield site.fault("lan.address", message, remedy)
    elif address.ip in (network.network_address, network.broadcast_address):
        what = "the network's own" if address.ip == network.network_address else "its broadcast"
        message = f"{address.ip} is not a host's address in {network} but {what}"
        yield site.fault("lan.address", message, f"Write {network.network_address + 1}/{network.prefixlen}.")
    whys = [why for block, why in _UNUSABLE.items() if address.ip in block]
    if not whys and address.ip.is_global:
        whys = ["belongs to somebody on the Internet, who could not be reached any more"]
    for why in whys:
        yield site.fault("lan.address", f"{address.ip} {why}", "Write a private address, as 172.18.96.1/19.")


def reached_where_it_is(site: Site) -> Iterator[Fault]:
    """A server that is reached by its LAN is reached by its address there, which `apply` gives it."""
    lan, address = site.school.lan, site.school.server.address
    if lan is None or not re.fullmatch(r"[0-9.]+", address):
        return
    reached = IPv4Address(address)
    if reached in lan.address.network and reached != lan.address.ip:
        message = f"{reached} is in the LAN {lan.address.network}, where the server itself will be {lan.address.ip}"
        remedy = f"Write {lan.address.ip} if you come by the LAN, else choose another network for the LAN."
        yield site.fault("server.address", message, remedy)


def range_in_network(site: Site) -> Iterator[Fault]:
    """Laptops get addresses of the LAN."""
    lan = site.school.lan
    if lan is None or lan.range is None or not _sound(lan):
        return
    network = lan.address.network
    hosts = (network.network_address + 1, network.broadcast_address - 1)
    remedy = f"The network has {hosts[0]} to {hosts[1]}."
    for key in ("first", "last"):
        address = getattr(lan.range, key)
        if not hosts[0] <= address <= hosts[1]:
            outside = "is outside the network" if address not in network else "is not a host's address in"
            yield site.fault(f"lan.range.{key}", f"{address} {outside} {network}", remedy)


def range_forward(site: Site) -> Iterator[Fault]:
    """The range begins before it ends and spares the server."""
    lan = site.school.lan
    if lan is None or lan.range is None:
        return
    first, last, own = lan.range.first, lan.range.last, lan.address.ip
    if first > last:
        yield site.fault("lan.range.last", f"{last} comes before the first address, {first}", "Exchange the two.")
    elif first <= own <= last:
        message = f"{first} to {last} contains the server's own address {own}"
        yield site.fault("lan.range", message, f"Begin it at {own + 1}, or end it at {own - 1}.", at_key=True)


def range_large_enough(site: Site) -> Iterator[Fault]:
    """Without a range laptops get the addresses above the server's: there must be some."""
    lan = site.school.lan
    if lan is None or not _sound(lan):
        return
    if lan.range is None:
        count = int(lan.address.network.broadcast_address) - int(lan.address.ip) - 1
        if 0 <= count < SMALLEST_RANGE:
            message = f"leaves {count} addresses above the server's for laptops"
            remedy = f"Give the server {lan.address.network.network_address + 1}, or write lan.range."
            yield site.fault("lan.address", message, remedy)


def resolver_is_another(site: Site) -> Iterator[Fault]:
    """A resolver that forwards to itself answers nothing."""
    lan, services = site.school.lan, site.school.services
    if lan is None:
        return
    if "dns" in services.model_fields_set and "upstream" in services.dns.model_fields_set:
        upstream, which = services.dns.upstream, ""
    else:
        upstream, which = site.deployment.services.dns.upstream, "of the deployment: "
    if lan.address.ip in upstream:
        message = f"{which}{lan.address.ip} is this server itself"
        yield site.fault("services.dns.upstream", message, "Name another resolver, or delete it.")


def names_are_free(site: Site) -> Iterator[Fault]:
    """A second address for one of the server's own names would send every other laptop astray."""
    if "dns" not in site.school.services.model_fields_set:
        return
    domain = site.deployment.domain
    full = server_name(site.name, site.school, domain)
    own = {*SERVER_NAMES, full.partition(".")[0], "conference.schoolserver"}
    own |= {f"{name}.{domain}" for name in own} | {full, f"conference.{full}"}
    for name in sorted(own.intersection(site.school.services.dns.names)):
        yield Fault(("schools", site.name, "services", "dns", "names", name), _TAKEN, _RENAME, at_key=True)


def names_are_free_everywhere(deployment: Deployment) -> Iterator[Fault]:
    """The same of the names that the deployment gives to all schools."""
    own = {*SERVER_NAMES, "conference.schoolserver"}
    own |= {f"{name}.{deployment.domain}" for name in own}
    for name in sorted(own.intersection(deployment.services.dns.names)):
        yield Fault(("services", "dns", "names", name), _TAKEN, _RENAME, at_key=True)


def _sound(lan: Lan) -> bool:
    network = lan.address.network
    inside = lan.address.ip not in (network.network_address, network.broadcast_address)
    return inside and _SHORTEST_PREFIX <= network.prefixlen <= _LONGEST_PREFIX


NETWORK_RULES: tuple[Rule, ...] = (
    Rule(interfaces_differ, ("lan.interface", "uplink.interface")),
    Rule(networks_apart, ("lan.address", "uplink.network")),
    Rule(address_usable, ("lan.address",)),
    Rule(reached_where_it_is, ("server.address", "lan.address")),
    Rule(range_in_network, ("lan.address", "lan.range")),
    Rule(range_forward, ("lan.address", "lan.range")),
    Rule(range_large_enough, ("lan.address", "lan.range")),
    Rule(resolver_is_another, ("lan.address", "services.dns")),
    Rule(names_are_free, ("scenario", "server", "lan", "services.dns")),
)
