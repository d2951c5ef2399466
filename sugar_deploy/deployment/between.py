"""What schools must not have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sugar_deploy.deployment.faults import Fault
from sugar_deploy.deployment.model import School
from sugar_deploy.deployment.names import server_name


def one_address_each(schools: Mapping[str, School], _domain: str) -> Iterator[Fault]:
    """Two schools on one address and port would be one server described twice."""
    seen: dict[tuple[str, int], str] = {}
    for name, school in schools.items():
        server = school.server
        other = seen.setdefault((server.address, server.port), name)
        if other != name:
            message = f"{server.address} port {server.port} is the server of {other} already"
            yield Fault(("schools", name, "server", "address"), message, "Each school has a server of its own.")


def one_full_name_each(schools: Mapping[str, School], domain: str) -> Iterator[Fault]:
    """Laptops know a server by its full name, and XMPP names its domain by it."""
    seen: dict[str, str] = {}
    for name, school in schools.items():
        full = server_name(name, school, domain)
        other = seen.setdefault(full, name)
        if other != name:
            message = f"{full} is the full name of the server of {other} already"
            yield Fault(("schools", name, "server", "fqdn"), message, "Give one of them another server.fqdn.")
        if len(full) > 253:
            message = f"the server's full name has {len(full)} characters, 253 are possible"
            yield Fault(("schools", name), message, "Shorten the deployment's domain.", at_key=True)


def one_list_of_laptops_each(schools: Mapping[str, School], _domain: str) -> Iterator[Fault]:
    """A laptop belongs to one school."""
    seen: dict[str, str] = {}
    for name, school in schools.items():
        if school.laptops is not None:
            other = seen.setdefault(school.laptops, name)
            if other != name:
                message = f"{school.laptops} lists the laptops of {other} already"
                yield Fault(("schools", name, "laptops"), message, "Give each school a list of its own.")


BETWEEN_RULES: tuple[Callable[[Mapping[str, School], str], Iterator[Fault]], ...] = (
    one_address_each,
    one_full_name_each,
    one_list_of_laptops_each,
)
