"""What the deployment needs of Debian, before dependencies: computed from the plan, never kept by hand. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
CLIENT = ("sucrose", "telepathy-mission-control-5")
"""For laptops on Debian: Sugar, and what it only recommends, though its shell does not start without it.

What images take is in `systems.py`.
"""
KERNEL = "repository.kernel"
"""Who asks for a kernel."""
_LINUX: Mapping[str, str] = {
    "amd64": "linux-image-amd64",
    "arm64": "linux-image-arm64",
    "i386": "linux-image-686-pae",
    "armhf": "linux-image-armmp",
}
_NO_LINUX = frozenset({("trixie", "i386")})
"""Debian 13 has no kernel for i386 any more: such a machine keeps that of Debian 12, or runs one of amd64."""
_LOADERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "amd64": (("grub-pc",), ("grub-efi-amd64", "grub-efi-amd64-signed", "shim-signed")),
    "arm64": (("grub-efi-arm64", "grub-efi-arm64-signed", "shim-signed"), ("flash-kernel",)),
    "i386": (("grub-pc",), ("grub-efi-ia32",)),
    "armhf": (("grub-efi-arm",), ("flash-kernel",)),
}
"""What Debian's installer lets a machine start by; one excludes the other: each is a resolution of its own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One resolution: what is installed together, and what besides, all at once or one by one."""

    together: tuple[str, ...]
    besides: tuple[str, ...] = ()


def tool(suite: str, architecture: str) -> tuple[str, ...]:
    """What the tool needs there of Debian: its Python, and what stands in for wheels that nobody makes."""
    return (*TOOL, *debian_python_packages(suite, architecture))


def boot(suite: str, architecture: str) -> tuple[tuple[str, ...], ...]:
    """What machines there start with: the kernel with each way to load it.

    No role installs these, and yet a server that has no other source gets their security updates from here alone.
    """
    linux = () if (suite, architecture) in _NO_LINUX else (_LINUX[architecture],)
    return tuple((*linux, *loaders) for loaders in _LOADERS[architecture])


def wanted(
    plan: Plan,
    own: Sequence[Deb],
    architecture: str,
    tool: Sequence[str] = TOOL,
    boot: Sequence[tuple[str, ...]] = (),
) -> tuple[Wanted, ...]:
    """The resolutions for an architecture: each distinct server, its start, all else it may get, a laptop."""
    fitting = [deb for deb in own if deb.architecture in {"all", architecture}]
    servers = [f"{deb.name}={deb.version}" for deb in fitting if not for_clients(deb, plan)]
    laptops = [f"{deb.name}={deb.version}" for deb in fitting if for_clients(deb, plan)]
    repository = plan.deployment.repository
    # Not with the usual ones in one resolution: some of them give way to a role's, as systemd-timesyncd to chrony.
    found = [Wanted((USUAL, *tool))]
    found += [Wanted((SMALLEST, *tool, *names)) for names in sorted({host.packages for host in plan.hosts})]
    if repository.kernel:
        found += [Wanted((SMALLEST, *names)) for names in boot]
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
    loaders = {one for ways in _LOADERS.values() for names in ways for one in names}
    fixed = dict.fromkeys({*_LINUX.values(), *loaders}, KERNEL)
    fixed |= dict.fromkeys(CLIENT, "repository.clients") | dict.fromkeys(TOOL, "sugar-deploy itself")
    if name in fixed:
        return fixed[name]
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
