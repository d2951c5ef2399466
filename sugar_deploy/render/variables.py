"""Group and host variables as JSON, which Ansible reads as fast as nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from json.encoder import encode_basestring
from typing import Any

from pydantic_core import to_jsonable_python

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.scenario.catalogue import what_roles_keep
from sugar_deploy.scenario.plan import Host
from sugar_deploy.scenario.variables import RoleVariables

OURS = frozenset({"ansible_ssh_common_args"})
"""The only variables that are templates; all others hold the deployer's texts."""

# Where Ansible would see a template in a plain text.
_TEMPLATE_MARKS = ("{{", "{%", "{#", "#jinja2:")

# The pinned keys lie beside inventory/. Ansible splits the arguments as a shell would; ssh itself then wants its own
# quotes around a path with spaces, and percent signs doubled.
_SSH_ARGUMENTS = (
    "-o StrictHostKeyChecking=yes -o {{ ('UserKnownHostsFile=\"' ~ (inventory_dir | dirname | replace('%', '%%'))"
    " ~ '/known_hosts\"') | quote }}"
)


def common_variables(deployment: Deployment) -> dict[str, Any]:
    """Variables that hold for every school whose own file does not say otherwise."""
    services, kept = deployment.services, what_roles_keep()
    return {
        "ansible_ssh_common_args": _SSH_ARGUMENTS,
        "base__timezone": deployment.timezone,
        "base__languages": deployment.languages,
        "base__upgrades": services.upgrades,
        "lan__domain": deployment.domain,
        "lan__dhcp": services.dhcp,
        "lan__dns": services.dns,
        "repository__name": deployment.name,
        "repository__url": deployment.repository.url,
        "repository__contents": deployment.repository.contents,
        "upgrade__units": kept.units,
        "upgrade__paths": kept.paths,
        "sshd__password_login": services.ssh.password_login,
        "firewall__federation_from": (),
        "presence__peers": (),
        **{f"firewall__{name}": value for name, value in vars(services.firewall).items()},
        **{f"presence__{name}": value for name, value in vars(services.presence).items()},
        **{f"sugar_server__{name}": value for name, value in vars(services.registration).items()},
        **{
            f"sugar_server__{name}": getattr(services, name)
            for name in ("backup", "updates", "statistics", "pages", "antitheft")
        },
    }


def host_variables(host: Host, common: Mapping[str, Any]) -> dict[str, Any]:
    """How to reach the host, and its roles' variables as far as they differ from the common ones."""
    variables: dict[str, Any] = {
        "ansible_host": host.connection.address,
        "ansible_port": host.connection.port,
        "ansible_user": host.connection.user,
    }
    for role in host.variables:
        values = vars(role)
        for key, name in _keys(type(role)):
            value = values[name]
            # Most are the deployment's own instances, which need no looking into.
            if key not in common or (common[key] is not value and common[key] != value):
                variables[key] = value
    return variables


@cache
def _keys(role: type[RoleVariables]) -> tuple[tuple[str, str], ...]:
    """A role's variables, each with the field that it is."""
    return tuple((f"{role.role}__{name}", name) for name in role.model_fields)


def dump(variables: Mapping[str, Any], *, own: frozenset[str] = frozenset()) -> str:
    """One variable a line, sorted, so that a person and `diff` can read it; only `own` ones may be templates."""
    text = _lines(variables)
    if any(mark in text for mark in _TEMPLATE_MARKS):
        plain = {key: to_jsonable_python(value) for key, value in variables.items()}
        text = _lines({key: value if key in own else untrusted(value) for key, value in plain.items()})
    return f"{{\n{text}\n}}\n"


def _lines(variables: Mapping[str, Any]) -> str:
    return ",\n".join([f'  "{key}": {_json(variables[key])}' for key in sorted(variables)])


def untrusted(value: Any) -> Any:
    """The value with every text that looks like a template marked, so that Ansible never evaluates it.

    Without this a school's title could run commands on the deployer's machine.
    """
    if isinstance(value, str):
        return {"__ansible_unsafe": value} if any(mark in value for mark in _TEMPLATE_MARKS) else value
    if isinstance(value, dict):
        return {key: untrusted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [untrusted(each) for each in value]
    return value


def _json(value: Any) -> str:
    """JSON in the shortest way for what most values are; an encoder is set up anew for each other one."""
    kind = type(value)
    if kind is str:
        return encode_basestring(value)
    if kind is int:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    return _encode(value)


_encode = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, check_circular=False, default=to_jsonable_python
).encode
