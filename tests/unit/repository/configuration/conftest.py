"""A deployment with schools of several kinds, and packages unpacked by dpkg itself."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.folder import Folder
from sugar_deploy.repository.configuration import configuration_debs
from sugar_deploy.scenario.catalogue import RolePackages
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve

KEYS = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEZ\n-----END PGP PUBLIC KEY BLOCK-----\n"
CATALOGUE = {
    "lan": RolePackages(("dnsmasq",), {"wireless": ("iw", "wpasupplicant")}),
    "presence": RolePackages(("prosody", "prosody-sugar")),
    "sugar_server": RolePackages(("sugar-server",)),
}
LAN = {"interface": "eth1", "address": "172.18.96.1/19"}
RADIO = {"interface": "wlan0", "address": "10.43.0.1/22", "wireless": {"country": "PE"}}
SCHOOLS: dict[str, dict[str, Any]] = {
    "aula": {"scenario": "peer-server", "lan": RADIO},
    "cusco": {"scenario": "offline-server", "lan": LAN},
    "encuentro": {"scenario": "online-peers", "role": "master"},
    "puno": {"scenario": "offline-server", "lan": LAN, "services": {"presence": {"enabled": False}}},
}
# 2026-11-21 10:00:00 UTC.
MORNING = 1795255200


def plan(schools: dict[str, dict[str, Any]] | None = None, **more: Any) -> Plan:
    """A deployment's plan; each school has a server."""
    chosen = SCHOOLS if schools is None else schools
    described = {name: {"server": {"address": "192.0.2.1"}, **school} for name, school in chosen.items()}
    data = {"version": 1, "name": "peru", "title": "Perú", "domain": "peru.example", "schools": described, **more}
    return resolve(Deployment.model_validate(data), CATALOGUE)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    root = tmp_path / "deployment"
    root.mkdir()
    return Folder(root)


Generate = Callable[..., dict[str, Path]]


@pytest.fixture
def generate(folder: Folder) -> Generate:
    """Generates the packages of a plan at a time; the .deb files by package."""

    def run(of: Plan | None = None, now: float = MORNING, keys: str = KEYS) -> dict[str, Path]:
        debs = configuration_debs(folder, of or plan(), keys, clock=lambda: now)
        return {deb.name.split("_")[0]: deb for deb in debs}

    return run


def field(deb: Path, name: str) -> str:
    """A field of a package, as dpkg reads it."""
    argv = ["dpkg-deb", "--field", str(deb), name]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def unpacked(deb: Path, into: Path) -> Path:
    """A package's files."""
    subprocess.run(["dpkg-deb", "--extract", str(deb), str(into)], check=True)
    return into
