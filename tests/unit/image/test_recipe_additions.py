"""What a deployment adds to its images, and how that reaches the recipe."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import UsageError
from sugar_deploy.image.compose.debian import Chosen
from sugar_deploy.image.compose.recipe import Recipe
from sugar_deploy.image.models import Kernel, read_model
from sugar_deploy.scenario.resolve import resolve


@pytest.fixture
def overrides(tmp_path: Path) -> Path:
    (tmp_path / "files/etc").mkdir(parents=True)
    (tmp_path / "files/etc/motd").write_text("hola\n")
    return tmp_path


def recipe(
    model: str, overrides: Path, images: Mapping[str, object] = {}, schools: Mapping[str, object] = {}
) -> Recipe:
    read = read_model(model)
    told = {"version": 1, "name": "lima", "title": "Lima", "images": images, "schools": schools}
    return Recipe(read, read.suite(), resolve(Deployment.model_validate(told)), overrides)


def names(found: Recipe) -> set[str]:
    """Of the packages that are asked for."""
    return set(found.system().names)


def stages(model: str, overrides: Path) -> list[str]:
    return [step.name for step in recipe(model, overrides).steps(Chosen((), {}), (), "1")]


STAND_INS = ("python3-cryptography", "python3-nacl", "python3-yaml")
"""Debian's, for sugar-deploy on armhf: nobody makes wheels of them."""
PEER = {
    "title": "Aula",
    "scenario": "peer-server",
    "server": {"address": "192.0.2.11"},
    "lan": {"interface": "wlan0", "address": "172.18.96.1/24"},
}


def test_what_every_laptop_has_and_what_the_deployment_adds(overrides: Path) -> None:
    plain = names(recipe("xo-1.5", overrides))
    assert {"sucrose", "sugar-client", "linux-image-686"} <= plain
    added = {"packages": ["tuxpaint"], "kernels": {"xo-1.5": "linux-image-ours"}}
    (overrides / "animation").mkdir()
    mine = names(recipe("xo-1.5", overrides, added))
    assert (mine - plain, plain - mine) == ({"tuxpaint", "linux-image-ours", "plymouth"}, {"linux-image-686"})


def test_a_laptop_that_can_serve_its_class_has_the_servers_packages(overrides: Path) -> None:
    schools = {"aula": PEER}
    plain = names(recipe("xo-4", overrides, {}, schools))
    assert "lima-peer-server-client" in plain
    served = names(recipe("xo-4", overrides, {"server": True}, schools))
    assert served - plain == {"lima-peer-server", "downstream-server-demo", "python3", "python3-venv", *STAND_INS}
    # chrony pushes it out: with both there would be nothing to install.
    assert plain - served == {"systemd-timesyncd"}


def test_a_model_without_a_kernel_asks_the_deployer_for_one(overrides: Path) -> None:
    found = recipe("xo-4", overrides)
    bare = found.suite.model_copy(update={"kernel": Kernel(package=None, why="it has no driver")})
    with pytest.raises(UsageError, match=r"no kernel for it \(it has no driver\).*kernels: \{xo-4: PACKAGE\}"):
        names(replace(found, suite=bare))
    mine = recipe("xo-4", overrides, {"kernels": {"xo-4": "linux-image-ours"}})
    assert "linux-image-ours" in names(replace(mine, suite=bare))


def test_the_deployers_additions_are_stages_where_there_are_any(overrides: Path) -> None:
    """Files before the settings, hooks after all that has a say in the tree, and the ramdisk after them."""
    for name in ("activities/paint.xo", "animation/ours.plymouth", "hooks/1-mine"):
        (overrides / name).parent.mkdir()
        (overrides / name).touch()
    additions = ["files", "activities", "desktop", "animation", "hooks", "caches", "finish"]
    assert stages("generic-pc", overrides) == ["base", "packages", "mounts", *additions]
    shutil.rmtree(overrides)
    assert stages("xo-1.5", overrides) == ["base", "packages", "mounts", "ramdisk", "desktop", "caches", "finish"]


def test_languages_time_zone_and_name_reach_the_system(overrides: Path) -> None:
    read = read_model("xo-1.5")
    told = {
        "version": 1,
        "name": "lima",
        "title": "Lima",
        "timezone": "America/Lima",
        "languages": ["qu_PE", "es_PE"],
    }
    made = Recipe(read, read.suite(), resolve(Deployment.model_validate(told)), overrides)
    (desktop,) = (step for step in made.steps(Chosen((), {}), (), "2026-1") if step.name == "desktop")
    assert desktop.options == {
        "timezone": "America/Lima",
        "languages": ("qu_PE", "es_PE"),
        "release": "lima xo-1.5 bookworm 2026-1",
    }
