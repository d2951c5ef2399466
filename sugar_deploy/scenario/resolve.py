"""Deployment → Plan: which server runs what, with which settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sugar_deploy.deployment.federation import federations
from sugar_deploy.deployment.model import Deployment, Role, School
from sugar_deploy.deployment.services import effective_services
from sugar_deploy.garbage import collector_paused
from sugar_deploy.scenario.catalogue import Catalogue, package_catalogue, packages
from sugar_deploy.scenario.plan import Connection, Host, Plan
from sugar_deploy.scenario.settings import ROLES
from sugar_deploy.scenario.site import Site, site

_NOBODY: Mapping[str, School] = MappingProxyType({})


def resolve(deployment: Deployment, catalogue: Catalogue | None = None) -> Plan:
    """Decide for every server; the catalogue of packages is that of the program's own roles by default."""
    listed = package_catalogue() if catalogue is None else catalogue
    masters = [name for name, school in deployment.schools.items() if school.role is Role.MASTER]
    only_master = masters[0] if len(masters) == 1 else None
    fellows = _fellows(deployment)
    sites = (
        site(name, school, deployment, effective_services(deployment, school), fellows.get(name, _NOBODY))
        for name, school in sorted(deployment.schools.items())
    )
    with collector_paused():
        hosts = tuple(_host(one, _master(one.school, only_master), listed) for one in sites)
    return Plan(deployment, hosts)


def _fellows(deployment: Deployment) -> Mapping[str, Mapping[str, School]]:
    """The other schools of each one's federation."""
    return {
        name: {other: school for other, school in sorted(schools.items()) if other != name}
        for schools in federations(deployment).values()
        for name in schools
    }


def _host(site: Site, master: str | None, catalogue: Catalogue) -> Host:
    server = site.school.server
    variables = tuple(role(site) for role in ROLES)
    return Host(
        name=site.name,
        title=site.school.title or site.name,
        school=site.school,
        fqdn=site.fqdn,
        connection=Connection(server.address, server.port, server.user),
        services=site.running,
        packages=packages(variables, catalogue),
        groups=_groups(site),
        variables=variables,
        master=master,
    )


def _master(school: School, only_master: str | None) -> str | None:
    if school.role is Role.MASTER:
        return None
    return school.master or only_master


def _groups(site: Site) -> tuple[str, ...]:
    # A school's name has no underscore, so that no group is ever called like a school.
    scenario = site.school.scenario.value.replace("-", "_")
    services = (f"service_{name}" for name in site.running)
    return tuple(sorted((f"scenario_{scenario}", f"role_{site.school.role.value}", *services)))
