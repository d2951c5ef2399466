"""Packages as rpmbuild wants to be told of them. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from sugar_deploy.repository.client_settings import ClientSettings, client_settings, kinds, main_scenario
from sugar_deploy.repository.rpm.files import (
    SCHEMAS,
    RpmFile,
    config_package,
    kind_package,
    local_defaults,
    repository_files,
    settings_files,
)
from sugar_deploy.scenario.plan import Plan

RELEASE = "1"
# Folders that are Fedora's; others in a package's paths are the package's own.
_FEDORAS = frozenset({"/etc/gconf/2", "/etc/pki/rpm-gpg", "/etc/yum.repos.d", SCHEMAS})


@dataclass(frozen=True, slots=True)
class RpmPackage:
    """A noarch package of files alone."""

    name: str
    summary: str
    description: str
    files: tuple[RpmFile, ...]
    requires: tuple[str, ...] = ()
    """Packages of ours, of the same version."""
    conflicts: tuple[str, ...] = ()


def rpm_packages(plan: Plan, public_key: str) -> tuple[RpmPackage, ...]:
    """The packages of a deployment: its client configuration, and one more for each kind of laptop."""
    main = main_scenario(plan)
    if main is None:
        return ()
    name = plan.deployment.name
    found = kinds(plan)
    own = client_settings(plan, main)
    base = RpmPackage(
        name=config_package(name),
        summary=f"Settings of the deployment {name} for laptops on OLPC OS",
        description=_description(own),
        files=(
            *repository_files(name, own, public_key),
            local_defaults(name, found),
            *settings_files(config_package(name), own, rank=50),
        ),
    )
    return (base, *(_of_kind(name, kind, found) for kind in found))


def _of_kind(name: str, kind: str, found: dict[str, ClientSettings]) -> RpmPackage:
    package = kind_package(name, kind)
    return RpmPackage(
        name=package,
        summary=f"Settings of the deployment {name} for laptops of the kind {kind}",
        description=_description(found[kind]),
        files=settings_files(package, found[kind], rank=60),
        requires=(config_package(name),),
        conflicts=tuple(kind_package(name, other) for other in found if other != kind),
    )


def _description(settings: ClientSettings) -> str:
    return f"Configuration files only. Sugar is preset for the server {settings.server};\nregistration completes it."


def content_digest(packages: tuple[RpmPackage, ...]) -> str:
    """Hex SHA-256 of all that the packages say, their versions apart."""
    text = json.dumps([asdict(package) for package in packages], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def spec(package: RpmPackage, version: str) -> str:
    """The package's spec file; its files lie ready in %{_sourcedir}/root."""
    head = [
        f"Name: {package.name}",
        f"Version: {version}",
        f"Release: {RELEASE}",
        f"Summary: {package.summary}",
        "License: GPLv3+",
        "Group: System Environment/Base",
        "BuildArch: noarch",
        "AutoReqProv: no",
        *(f"Requires: {name} = {version}-{RELEASE}" for name in package.requires),
        *(f"Conflicts: {name}" for name in package.conflicts),
    ]
    install = ["mkdir -p %{buildroot}", "cp -R %{_sourcedir}/root/. %{buildroot}/"]
    files = ["%defattr(0644,root,root,0755)", *_listed(package)]
    sections = (
        head,
        ["%description", package.description],
        ["%install", *install],
        ["%files", *files],
    )
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _listed(package: RpmPackage) -> list[str]:
    parents = {str(PurePosixPath(file.path).parent) for file in package.files}
    own = [f"%dir {_quoted(folder)}" for folder in sorted(parents - _FEDORAS)]
    return own + [("%config " if file.configuration else "") + _quoted(file.path) for file in package.files]


def _quoted(path: str) -> str:
    # A sign of percent begins a macro.
    return path.replace("%", "%%")
