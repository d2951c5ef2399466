"""What recipes are made of: which packages they ask for, which stages two models share."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.debian import Chosen
from sugar_deploy.image.compose.recipe import Recipe, systems
from sugar_deploy.image.models import read_model
from sugar_deploy.repository.derive.resolver import Package
from sugar_deploy.scenario.plan import Plan


@pytest.fixture
def overrides(tmp_path: Path) -> Path:
    (tmp_path / "files/etc").mkdir(parents=True)
    (tmp_path / "files/etc/modules").write_text("usbhid\n")
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
    recipe = Recipe(read, read.suite(), plan, overrides)
    for step in recipe.steps(Chosen((dash,), {dash.sha256: overrides}), (), "1"):
        identity = found[step.name] = step.identity(identity)
    return found | {"settings": recipe.settings().identity}


def test_both_arm_models_have_one_system_up_to_what_names_the_model(overrides: Path) -> None:
    """Emulated work is done once for both."""
    one, other = (identities(model, overrides) for model in ("xo-1.75", "xo-4"))
    same = {name for name in one if one[name] == other[name]}
    assert {"base", "packages", "mounts", "ramdisk", "files"} <= same
    assert not {"desktop", "caches", "finish"} & same
    other = identities("xo-1.5", overrides)
    assert {name for name in one if one[name] == other[name]} == {"settings"}


def test_a_setting_that_changed_leaves_the_system_as_it_was(overrides: Path) -> None:
    before = identities("xo-1.5", overrides)
    (overrides / "files/etc/motd").write_text("adios\n")
    assert changed(before, identities("xo-1.5", overrides)) == {"settings"}


def test_what_the_ramdisk_may_read_is_there_before_it(overrides: Path) -> None:
    before = identities("xo-1.5", overrides)
    (overrides / "files/etc/modules").write_text("hid\n")
    assert changed(before, identities("xo-1.5", overrides)) >= {"files", "desktop", "caches"}
    # In no place of image/settings.yml, though it begins like one.
    before = identities("xo-1.5", overrides)
    (overrides / "files/etc/motd.d").mkdir()
    (overrides / "files/etc/motd.d/new").write_text("hola\n")
    assert "caches" in changed(before, identities("xo-1.5", overrides))


def test_a_hook_sees_every_file(overrides: Path) -> None:
    (overrides / "hooks").mkdir()
    (overrides / "hooks/1-mine").write_text("#!/bin/sh\n")
    before = identities("xo-1.5", overrides)
    assert list(before).index("files") < list(before).index("hooks") < list(before).index("caches")
    settings = before["settings"]
    (overrides / "files/etc/motd").write_text("adios\n")
    after = identities("xo-1.5", overrides)
    assert {"files", "hooks", "caches"} <= changed(before, after)
    assert after["settings"] == settings


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in after if before.get(name) != after[name]}


def named(**images: object) -> Plan:
    return Plan(Deployment.model_validate({"version": 1, "name": "lima", "title": "Lima", "images": images}), ())


def test_what_each_of_a_deployments_models_needs(tmp_path: Path) -> None:
    found = systems(
        Folder(tmp_path),
        named(models=["xo-4", "xo-1", "xo-1"], packages=["gnome-mines"], server=True, suites={"xo-4": "trixie"}),
    )
    assert [(one.model, one.suite, one.architecture, one.distribution) for one in found] == [
        ("xo-1", "bullseye", "i386", "bullseye-images"),
        ("xo-4", "trixie", "armhf", "trixie-images"),
    ]
    kernels = [name for one in found for name in one.names if name.startswith("linux-")]
    assert kernels == ["linux-image-686", "linux-image-armmp"]
    for one in found:
        assert {"sucrose", "sugar-client", "gnome-mines", "lima-peer-server", "network-manager"} <= {*one.names}
        assert one.optional == ("sugar-xo-boot", "firmware-libertas")
    assert "xserver-xorg-video-vesa" in found[0].names
    assert "xserver-xorg-video-vesa" not in found[1].names
    assert systems(Folder(tmp_path), named()) == ()


def test_what_the_deployer_adds_is_needed_as_well(tmp_path: Path) -> None:
    plan = named(models=["generic-pc64"], kernels={"generic-pc64": "linux-image-lima"})
    before = systems(Folder(tmp_path), plan)[0]
    assert "linux-image-lima" in before.names
    assert "linux-image-amd64" not in before.names
    assert before.optional == ("sugar-xo-boot",)
    (tmp_path / "overrides/image/animation").mkdir(parents=True)
    assert {*systems(Folder(tmp_path), plan)[0].names} - {*before.names} == {"plymouth"}


def test_a_release_that_the_model_has_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"xo-1: no images of trixie are made for it"):
        systems(Folder(tmp_path), named(models=["xo-1"], suites={"xo-1": "trixie"}))


def test_only_an_xo_1_has_what_its_processor_and_memory_need(overrides: Path) -> None:
    stages = {model: list(identities(model, overrides)) for model in ("xo-1", "xo-1.5", "generic-pc")}
    assert [model for model in stages if "nops" in stages[model]] == ["xo-1"]
    assert stages["xo-1"][:3] == ["base", "packages", "nops"]
    plan = Plan(Deployment(version=1, name="lima", title="Lima"), ())
    recipes = {model: Recipe(read_model(model), read_model(model).suite(), plan, overrides) for model in stages}
    wanted = {model: recipe.system().names for model, recipe in recipes.items()}
    assert [model for model in wanted if "zram-tools" in wanted[model]] == ["xo-1"]
