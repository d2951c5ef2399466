"""Federations: schools whose children see each other over the network, and what such schools must obey."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address

from sugar_deploy.deployment.faults import Fault, quoted
from sugar_deploy.deployment.model import Deployment, Scenario, School
from sugar_deploy.deployment.rules import LAN_SERVICES, Rule, Site
from sugar_deploy.deployment.service_settings import Presence
from sugar_deploy.deployment.services import effective_section

MOST_SCHOOLS = 20
"""Each server tells each other one of all its children."""
_KEY = "services.presence.federation"
_LEAVE = f"Set {_KEY}: null for this school."
_NAME_ANOTHER = "Write server.federation_address, by which the other schools' servers reach this one."


def federations(deployment: Deployment) -> Mapping[str, Mapping[str, School]]:
    """The schools of each federation, by its name and theirs."""
    found: dict[str, dict[str, School]] = {}
    everywhere = deployment.services.presence.federation is not None
    for name, school in deployment.schools.items():
        if everywhere or "presence" in school.services.model_fields_set:
            chosen = federation_of(deployment, school)
            if chosen is not None:
                found.setdefault(chosen, {})[name] = school
    return found


def federation_of(deployment: Deployment, school: School) -> str | None:
    """The federation that a school is of, while presence runs there."""
    presence: Presence = effective_section(deployment, school, "presence")
    return presence.federation if presence.enabled else None


def federation_address(school: School) -> str:
    """Where the other schools' servers find this one's."""
    return school.server.federation_address or school.server.address


def federates_over_a_network(site: Site) -> Iterator[Fault]:
    """A server that others cannot reach is of no federation."""
    chosen, school = federation_of(site.deployment, site.school), site.school
    if chosen is None:
        return
    if school.scenario is Scenario.PEER_SERVER:
        message = f"is {school.scenario}: no other server reaches that laptop, but it is of the federation {chosen}"
        yield site.fault("scenario", message, _LEAVE)
    elif LAN_SERVICES[school.scenario] and school.lan and school.uplink is None:
        message = f"is missing: by it the school would reach the others of the federation {chosen}"
        yield site.fault("uplink", message, f"Add uplink.interface. Or: {_LEAVE}")


def federates_as_a_whole(site: Site) -> Iterator[Fault]:
    """Nobody knows another school's classes."""
    presence: Presence = effective_section(site.deployment, site.school, "presence")
    if presence.enabled and presence.federation and presence.neighborhood == "class":
        message = f"each class is by itself here, so that the federation {presence.federation} would show nothing"
        key = "services.presence.neighborhood" if _written(site.school, "neighborhood") else ""
        yield site.fault(key, message, f"Set services.presence.neighborhood: school. Or: {_LEAVE}", at_key=not key)


def federates_at_a_real_address(site: Site) -> Iterator[Fault]:
    """The address is one where others find this server, and none of a network that they do not see."""
    if federation_of(site.deployment, site.school) is None:
        return
    written = federation_address(site.school)
    address = _ip(written)
    if written == "localhost" or (address and (address.is_loopback or address.is_unspecified)):
        message = f"{written} leads every other server to itself"
        yield site.fault(_address_key(site.school), message, _NAME_ANOTHER)


def an_address_that_nobody_needs(site: Site) -> Iterator[Fault]:
    """An address for others who never ask."""
    if site.school.server.federation_address and federation_of(site.deployment, site.school) is None:
        message = "means nothing here: the school is of no federation"
        remedy = f"Delete it, or name the federation in {_KEY}."
        yield site.fault("server.federation_address", message, remedy, at_key=True)


FEDERATION_RULES: tuple[Rule, ...] = (
    Rule(federates_over_a_network, ("scenario", "lan", "uplink", "services.presence")),
    Rule(federates_as_a_whole, ("services.presence",)),
    Rule(federates_at_a_real_address, ("server", "services.presence")),
    Rule(an_address_that_nobody_needs, ("server", "services.presence")),
)


def federations_hold_together(deployment: Deployment) -> Iterator[Fault]:
    """Schools of one federation find each other, and there is somebody to find."""
    for federation, schools in federations(deployment).items():
        if len(schools) == 1:
            (name,) = schools
            message = f"{quoted(name)} is the only school of the federation {federation}"
            yield _at(name, schools[name], message, "Write the same name for another school, or delete it.")
        if len(schools) > MOST_SCHOOLS:
            name = list(schools)[MOST_SCHOOLS]
            message = f"the federation {federation} has {len(schools)} schools, {MOST_SCHOOLS} are possible"
            yield _at(name, schools[name], message, "Make several federations of it, by other names.")
        yield from _own_address_each(schools)
        yield from _outside_of_lans(schools)


def _own_address_each(schools: Mapping[str, School]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for name, school in schools.items():
        address = federation_address(school)
        other = seen.setdefault(address, name)
        if other != name:
            message = f"{address} is where the servers of the federation find {other} already"
            yield Fault(("schools", name, *_address_key(school).split(".")), message, _NAME_ANOTHER)


def _outside_of_lans(schools: Mapping[str, School]) -> Iterator[Fault]:
    for name, school in schools.items():
        address = _ip(federation_address(school))
        inside = [n for n, other in schools.items() if address and other.lan and address in other.lan.address.network]
        if inside:
            message = f"{address} is in the LAN of {inside[0]}, where the other schools' servers are not found"
            yield Fault(("schools", name, *_address_key(school).split(".")), message, _NAME_ANOTHER)


def _at(name: str, school: School, message: str, remedy: str) -> Fault:
    if _written(school, "federation"):
        return Fault(("schools", name, *_KEY.split(".")), message, remedy)
    return Fault(tuple(_KEY.split(".")), message, remedy)


def _address_key(school: School) -> str:
    return "server.federation_address" if school.server.federation_address else "server.address"


def _written(school: School, key: str) -> bool:
    return "presence" in school.services.model_fields_set and key in school.services.presence.model_fields_set


def _ip(address: str) -> IPv4Address | None:
    try:
        return IPv4Address(address)
    except ValueError:
        return None
