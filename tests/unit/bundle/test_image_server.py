"""Whose server a laptop's image makes of it, and what such an image asks of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.bundle.image_server import class_server, peer_school
from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve


def plan(contents: str = "complete", **scenarios: str) -> Plan:
    schools = {
        name: {
            "title": name,
            "scenario": scenario,
            "server": {"address": "192.0.2.11"},
            "lan": {"interface": "wlan0", "address": "172.18.96.1/24"},
        }
        for name, scenario in scenarios.items()
    }
    repository = {"contents": contents, "suites": ["bookworm"], "architectures": ["amd64"]}
    told = {"version": 1, "name": "lima", "title": "Lima", "repository": repository, "schools": schools}
    return resolve(Deployment.model_validate(told))


def test_the_only_school_that_a_laptop_serves() -> None:
    assert peer_school(plan(puno="offline-server", aula="peer-server"), None).name == "aula"
    with pytest.raises(UsageError, match=r"puno is served by a laptop.*peer-server are: aula"):
        peer_school(plan(puno="offline-server", aula="peer-server"), "puno")


def test_of_several_one_is_named() -> None:
    several = plan(one="peer-server", two="peer-server")
    with pytest.raises(UsageError, match=r"there are several: one, two.*--school"):
        peer_school(several, None)
    assert peer_school(several, "two").name == "two"


@pytest.mark.parametrize(
    ("contents", "suite", "architecture", "told"),
    [
        ("own", "bookworm", "amd64", "contents: complete"),
        ("complete", "bullseye", "amd64", "has no suite bullseye"),
        ("complete", "bookworm", "i386", "has no architecture i386"),
    ],
)
def test_what_the_repository_lacks_is_told(
    contents: str, suite: str, architecture: str, told: str, tmp_path: Path
) -> None:
    found, system = plan(contents, aula="peer-server"), System("xo-1.5", suite, architecture, ())
    with pytest.raises(UsageError, match=told), class_server(Folder(tmp_path), found, found.hosts[0], system, print):
        pass
    assert not list(tmp_path.iterdir())
