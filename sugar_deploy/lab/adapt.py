"""A deployment's folder made ready for the lab: the deployer's own files are read, never written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sugar_deploy.deployment.federation import federation_of
from sugar_deploy.deployment.load import load
from sugar_deploy.deployment.model import Deployment
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.places import LabPlace
from sugar_deploy.lab.process import execute
from sugar_deploy.lab.spec import UPLINK, UPLINK_NETWORK
from sugar_deploy.lab.topology import LAN_NIC, UPLINK_NIC

# What the lab writes itself, and what belongs to the deployer's machine.
_NOT_COPIED = (".sugar-deploy", "repository", "known_hosts", "deployment.yml", "backups", ".git")
_ANY_LOAD = 1000
_ELSEWHERE = ("url", "mirror", "security_mirror")
"""Keys of the repository that speak of the deployer's own network."""


def for_lab(
    deployment: Deployment,
    ports: Mapping[str, int],
    debian: Mapping[str, list[str]],
    uplinks: Mapping[str, str],
) -> dict[str, Any]:
    """The deployment's document with each school's server where the lab has it. Pure.

    DEBIAN names the `suites` and `architectures` of the lab's machines, UPLINKS their addresses on the uplink.
    """
    document: dict[str, Any] = deployment.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    document.pop("schools_from", None)
    # The lab has no web server of the deployer's: apply carries the repository to each server.
    repository = document.pop("repository", {})
    document["repository"] = {key: value for key, value in repository.items() if key not in _ELSEWHERE} | dict(debian)
    # Its machines start with their host's kernel, or with one that is made for virtual machines.
    document["repository"]["kernel"] = False
    # The load average is the host's: what else it does would keep the lab's laptops from backing up.
    document.setdefault("services", {}).setdefault("backup", {})["most_load"] = _ANY_LOAD
    document["schools"] = {}
    for name, school in sorted(deployment.schools.items()):
        section = school.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        section["server"] = {
            **{key: value for key, value in section["server"].items() if key == "fqdn"},
            "address": "127.0.0.1",
            "port": ports[name],
            "user": "root",
        }
        if federation_of(deployment, school):
            section["server"]["federation_address"] = uplinks[name]
        if "uplink" in section:
            section["uplink"] = {"interface": UPLINK_NIC, "network": UPLINK_NETWORK}
        if "lan" in section:
            section["lan"]["interface"] = LAN_NIC
            # The lab has no radio: the peer serves the same LAN on a cable.
            section["lan"].pop("wireless", None)
        document["schools"][name] = section
    return document


def adapt(source: Folder, place: LabPlace, machines: Mapping[str, Machine], target: Folder, suite: str) -> None:
    """Write the folder TARGET for the lab from the one in SOURCE; the machines run Debian's SUITE."""
    deployment = load(source)
    shutil.rmtree(target.root, ignore_errors=True)
    shutil.copytree(source.root, target.root, ignore=_ignore(source.root), symlinks=True)
    debian = {"suites": [suite], "architectures": [execute(("dpkg", "--print-architecture")).strip()]}
    ports = {name: machine.port for name, machine in machines.items()}
    document = for_lab(deployment, ports, debian, {name: _uplink(machine) for name, machine in machines.items()})
    comment = "# Made by `sugar-deploy lab` from another deployment's folder; it lasts as long as the lab.\n"
    # JSON is YAML in which every text is quoted: no clock time turns into a number.
    write_atomically(target.file, comment + json.dumps(document, indent=2, ensure_ascii=False) + "\n", mode=0o644)
    write_atomically(target.known_hosts, place.known_hosts.read_text(encoding="ascii"), mode=0o644)
    target.state.mkdir(mode=0o700, exist_ok=True)
    for suffix, mode in (("", 0o600), (".pub", 0o644)):
        key = place.key.with_name(place.key.name + suffix).read_text(encoding="ascii")
        write_atomically(target.state / f"id_ed25519{suffix}", key, mode=mode)


def _uplink(machine: Machine) -> str:
    """A machine's address there; empty if it has none."""
    return next(
        (nic.address.partition("/")[0] for nic in machine.spec.nics if nic.link == UPLINK and nic.address), ""
    )


def _ignore(root: Path) -> Any:
    def ignore(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if name in _NOT_COPIED] if Path(folder) == root else []

    return ignore
