"""The packages of each role, and what it keeps on a server, read from the roles themselves: the single list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sugar_deploy.errors import DeployError
from sugar_deploy.resources import resource
from sugar_deploy.scenario.variables import PHASES, RoleVariables


@dataclass(frozen=True, slots=True)
class RolePackages:
    """What a role installs."""

    always: tuple[str, ...] = ()
    """`<role>__packages`."""
    where_set: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`<role>__<field>_packages`: besides, where that variable of the role is set."""


Catalogue = Mapping[str, RolePackages]


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a server comes back when an upgrade fails: `<role>__keeps`."""

    units: tuple[str, ...] = ()
    """Services, in the order in which they are stopped: a socket before what it starts."""
    paths: tuple[str, ...] = ()
    """Settings and data, absolute."""


def read_catalogue(roles: Path) -> Catalogue:
    """The lists of packages in each phase's vars/main.yml."""
    return {phase.role: _role_packages(phase, roles) for phase in PHASES}


def read_kept(roles: Path) -> Kept:
    """What all phases keep, in their order; the same for every server."""
    found = [_variables(phase, roles).get(f"{phase.role}__keeps") or {} for phase in PHASES]
    return Kept(
        tuple(unit for keeps in found for unit in keeps.get("units", ())),
        tuple(path for keeps in found for path in keeps.get("paths", ())),
    )


def _variables(phase: type[RoleVariables], roles: Path) -> dict[str, Any]:
    path = roles / phase.role / "vars" / "main.yml"
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError) as error:
        raise DeployError(f"cannot read {path}: {error}", "Install sugar-deploy again") from error


def _role_packages(phase: type[RoleVariables], roles: Path) -> RolePackages:
    variables = _variables(phase, roles)
    where_set = {
        name: tuple(variables[key])
        for name in phase.model_fields
        if (key := f"{phase.role}__{name}_packages") in variables
    }
    return RolePackages(tuple(variables.get(f"{phase.role}__packages") or ()), where_set)


@cache
def package_catalogue() -> Catalogue:
    """The packages of the roles that come with this program: as constant as its code."""
    return read_catalogue(resource("roles"))


@cache
def what_roles_keep() -> Kept:
    """What the roles that come with this program keep."""
    return read_kept(resource("roles"))


def packages(variables: tuple[RoleVariables, ...], catalogue: Catalogue) -> tuple[str, ...]:
    """What the roles install with these variables, sorted."""
    names: set[str] = set()
    for role in variables:
        # Not getattr with a default: of a pydantic model that costs ten times as much.
        if role.__dict__.get("state") == "absent":
            continue
        listed = catalogue.get(role.role, RolePackages())
        names.update(listed.always)
        for name, more in listed.where_set.items():
            if getattr(role, name):
                names.update(more)
    return tuple(sorted(names))
