"""What the deployment needs of Debian, before dependencies: computed from the plan, never kept by hand. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sugar_deploy.locks import MACHINES, PYTHONS, debian_python_packages
from sugar_deploy.repository.debs import Deb
from sugar_deploy.scenario.catalogue import package_catalogue
from sugar_deploy.scenario.plan import Plan

SMALLEST = "?or(?essential,?priority(required))"
"""The least that an installation of Debian has."""
USUAL = "?or(?essential,?priority(required),?priority(important),?priority(standard))"
"""What an installation of Debian usually has.

A server that takes packages from our repository alone must find there the security updates of all of these, and
apt must not remove one of them because its twin from the same source has been upgraded.
"""
TOOL = ("python3", "python3-venv")
"""For Ansible on the server, and for sugar-deploy itself at a school without the Internet."""
CLIENT = ("sucrose",)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One resolution: what is installed together, and what besides, all at once or one by one."""

    together: tuple[str, ...]
    besides: tuple[str, ...] = ()


def tool(suite: str, architecture: str) -> tuple[str, ...]:
    """What the tool needs there of Debian: its Python, and what stands in for wheels that nobody makes."""
    return (*TOOL, *debian_python_packages(suite, architecture))


def wanted(plan: Plan, own: Sequence[Deb], architecture: str, tool: Sequence[str] = TOOL) -> tuple[Wanted, ...]:
    """The resolutions for an architecture: each distinct server, all else that servers may get, a laptop."""
    fitting = [deb for deb in own if deb.architecture in {"all", architecture}]
    servers = [f"{deb.name}={deb.version}" for deb in fitting if not for_clients(deb, plan)]
    laptops = [f"{deb.name}={deb.version}" for deb in fitting if for_clients(deb, plan)]
    repository = plan.deployment.repository
    # Not with the usual ones in one resolution: some of them give way to a role's, as systemd-timesyncd to chrony.
    found = [Wanted((USUAL, *tool))]
    found += [Wanted((SMALLEST, *tool, *names)) for names in sorted({host.packages for host in plan.hosts})]
    found.append(Wanted((SMALLEST, *tool), (*sorted(servers), *sorted(repository.packages))))
    if repository.clients:
        found.append(Wanted((SMALLEST, *CLIENT), tuple(sorted(laptops))))
    return tuple(found)


def for_clients(deb: Deb, plan: Plan) -> bool:
    """Whether a package is for laptops: what it depends on, servers need not have."""
    name = plan.deployment.name
    return deb.origin == "configuration" and (
        deb.name == f"{name}-client-config" or (deb.name.startswith(f"{name}-") and deb.name.endswith("-client"))
    )


def asked_by(name: str, plan: Plan, own: Sequence[Deb]) -> str:
    """Who asks for a package, in the deployer's words."""
    if name in plan.deployment.repository.packages:
        return "repository.packages"
    if name in TOOL:
        return "sugar-deploy itself"
    if name in CLIENT:
        return "repository.clients"
    for deb in own:
        if deb.name == name:
            return str(deb.path)
    roles = [
        role
        for role, packages in sorted(package_catalogue().items())
        if name in packages.always or any(name in more for more in packages.where_set.values())
    ]
    if roles:
        return f"role {', '.join(roles)}"
    stand_ins = {one for suite in PYTHONS for machine in MACHINES for one in debian_python_packages(suite, machine)}
    return "sugar-deploy itself" if name in stand_ins else "the deployment"
