"""Schools' names, and those of their servers."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from sugar_deploy.deployment.faults import Fault, quoted
from sugar_deploy.deployment.model import Scenario, School
from sugar_deploy.deployment.shape import shape
from sugar_deploy.deployment.types import Slug
from sugar_deploy.deployment.words import value_fault

_NAME: TypeAdapter[str] = TypeAdapter(Slug)
_RESERVED = frozenset({"all", "localhost", "ungrouped"})


def name_fault(name: str) -> Fault | None:
    """What is wrong with a school's name, if anything is."""
    if not name:
        return Fault(("schools", name), "has no name", "Give each school a short name, as san-martin.", at_key=True)
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        message, remedy = value_fault(error, shape(Slug))
        return Fault(("schools", name), message, remedy, at_key=True)
    if name in _RESERVED:
        return Fault(
            ("schools", name), f"{quoted(name)} means something to Ansible", "Name it otherwise.", at_key=True
        )
    return None


def server_name(name: str, school: School, domain: str) -> str:
    """The server's own full name, or where laptops come over the Internet the one that it is reached by."""
    if school.server.fqdn:
        return school.server.fqdn
    if school.scenario is Scenario.ONLINE_PEERS and _is_dns_name(school.server.address):
        return school.server.address
    return f"{name}.{domain}"


def _is_dns_name(address: str) -> bool:
    # A name of one label is an alias of the deployer's own machine; a last label of digits is an IPv4 address.
    return "." in address and not address.rpartition(".")[2].isdigit()
