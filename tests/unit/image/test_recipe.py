"""What recipes are made of: which stages two models share."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.image.compose.debian import Chosen
from sugar_deploy.image.compose.recipe import Recipe
from sugar_deploy.image.models import read_model
from sugar_deploy.repository.derive.resolver import Package
from sugar_deploy.scenario.plan import Plan


@pytest.fixture
def overrides(tmp_path: Path) -> Path:
    (tmp_path / "files/etc").mkdir(parents=True)
    (tmp_path / "files/etc/motd").write_text("hola\n")
    return tmp_path


def identities(model: str, overrides: Path) -> dict[str, str]:
    """The id of each stage, by its name."""
    read = read_model(model)
    dash = Package(
        "dash", "0.5.12-2", read.architecture, f"hash of {read.architecture}'s", 1, "dash", "pool/dash.deb"
    )
    plan = Plan(Deployment(version=1, name="lima", title="Lima"), ())
    found, identity = {}, ""
    for step in Recipe(read, read.suite(), plan, overrides).steps(Chosen((dash,), {dash.sha256: overrides}), (), "1"):
        identity = found[step.name] = step.identity(identity)
    return found


def test_both_arm_models_have_one_system_up_to_what_names_the_model(overrides: Path) -> None:
    """Emulated work is done once for both."""
    one, other = (identities(model, overrides) for model in ("xo-1.75", "xo-4"))
    same = {name for name in one if one[name] == other[name]}
    assert {"base", "packages", "mounts", "ramdisk", "files"} <= same
    assert not {"desktop", "finish"} & same
    assert not set(identities("xo-1.5", overrides).values()) & set(one.values())
