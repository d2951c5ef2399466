"""A model's recipe: which packages its image has, and which stages make it. Pure, but for the files it looks at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.debian import Chosen
from sugar_deploy.image.compose.server import ClassServer, server_packages, server_step, without_rivals
from sugar_deploy.image.compose.settings import require_usable
from sugar_deploy.image.compose.stage import Input, Options, Step, folder_input, make_step
from sugar_deploy.image.models import XO_BOOT, Model, Suite, read_model
from sugar_deploy.repository.client_settings import main_scenario
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.resources import resource
from sugar_deploy.scenario.plan import Plan

Names = Annotated[tuple[str, ...], Field(min_length=1)]
FILES, ACTIVITIES, HOOKS, ANIMATION = "files", "activities", "hooks", "animation"
_MOUNTED = {"ext4": "errors=remount-ro", "ext2": "nofail,noatime", "vfat": "nofail,umask=0077"}
"""How: a start partition that is damaged keeps nobody from the system."""


class Lists(BaseModel):
    """image/packages.yml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: Names
    sugar: Names
    screens: dict[str, tuple[str, ...]]
    animation: Names


class Places(BaseModel):
    """image/settings.yml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    places: Names

    def hold(self, name: str) -> bool:
        """Whether a file, by its path without a slash before it, lies in one of the places."""
        return any(name == place or name.startswith(f"{place}/") for place in self.places)


def settings_places() -> Places:
    """Where the deployer's files change nothing that is made of the system."""
    return Places.model_validate(yaml.safe_load((resource("image") / "settings.yml").read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is made for whom."""

    model: Model
    suite: Suite
    plan: Plan
    overrides: Path
    """The deployer's additions: files/, activities/*.xo, hooks/, animation/."""

    @property
    def kernel(self) -> str:
        """The kernel's package: the deployer's choice, else Debian's; UsageError where there is neither."""
        chosen = self.plan.deployment.images.kernels.get(self.model.name) or self.suite.kernel.package
        if chosen is None:
            raise UsageError(
                f"{self.model.name} on {self.suite.name}: Debian has no kernel for it ({self.suite.kernel.why})",
                f"Put one as a package into debs/, and name it: images: {{kernels: {{{self.model.name}: PACKAGE}}}}",
            )
        return chosen

    def system(self) -> System:
        """What is installed: asked for here, and where the deployment's repository is derived."""
        model = self.model
        return System(model.name, self.suite.name, model.architecture, self._wanted(), self._optional())

    def _wanted(self) -> tuple[str, ...]:
        lists = Lists.model_validate(yaml.safe_load((resource("image") / "packages.yml").read_text(encoding="utf-8")))
        images = self.plan.deployment.images
        found = {*lists.system, *lists.sugar, *lists.screens[self.model.architecture], *self.model.packages}
        if images.server:
            found = without_rivals(found)
        found |= {*images.packages, self.kernel}
        if (self.overrides / ANIMATION).is_dir():
            found.update(lists.animation)
        return tuple(sorted(found | set(self._settings())))

    def _settings(self) -> Iterable[str]:
        name, images = self.plan.deployment.name, self.plan.deployment.images
        yield "sugar-client"
        if scenario := images.scenario or main_scenario(self.plan):
            yield f"{name}-{scenario}-client"
        if images.server:
            yield from server_packages(name, self.suite.name, self.model.architecture)

    def _optional(self) -> tuple[str, ...]:
        """What is installed if the deployment's repository has it: our first start, firmware that is not free."""
        return XO_BOOT, *self.model.firmware

    def steps(
        self, debian: Chosen, own: Sequence[Deb], snapshot: str, server: ClassServer | None = None
    ) -> tuple[Step, ...]:
        """The stages, in order; those that have nothing to do are left out."""
        deployment, is_late = self.plan.deployment, self._late()
        told: Options = {
            "timezone": deployment.timezone,
            "languages": deployment.languages,
            "release": f"{deployment.name} {self.model.name} {self.suite.name} {snapshot}",
        }
        found = [
            make_step("base", {"architecture": self.model.architecture}, {"debian": debian.as_input()}),
            make_step("packages", {}, {"own": _own_input(own)}),
            *self._long_nops(),
            *self._mounts(),
            *self._ramdisk(),
            *_addition(FILES, folder_input(self.overrides / FILES, lambda name: not is_late(name))),
            *self._own_addition(ACTIVITIES),
            make_step("desktop", told),
            *self._own_addition(ANIMATION),
            *self._own_addition(HOOKS),
            # Kept for what comes after it and changes often, which is a class's server.
            replace(make_step("caches"), kept=server is not None),
            *server_step(server),
            make_step("finish"),
        ]
        return tuple(found)

    def settings(self) -> Input:
        """The deployer's files that are laid over all that. Raises UsageError where no image may have one of them."""
        late = folder_input(self.overrides / FILES, self._late())
        require_usable(late)
        return late

    def _long_nops(self) -> Iterable[Step]:
        if self.model.long_nops:
            yield make_step("nops", {"packages": self.model.long_nops})

    def _mounts(self) -> Iterable[Step]:
        lines = []
        for one in sorted(self.model.partitions, key=lambda one: one.mount):
            checked = 1 if one.mount == "/" else 2
            lines.append(f"LABEL={one.label} {one.mount} {one.filesystem} {_MOUNTED[one.filesystem]} 0 {checked}")
        if lines:
            yield make_step("mounts", {"partitions": tuple(lines)})

    def _ramdisk(self) -> Iterable[Step]:
        if self.model.ramdisk:
            yield make_step("ramdisk", {"modules": self.model.ramdisk})

    def _own_addition(self, name: str) -> Iterable[Step]:
        return _addition(name, folder_input(self.overrides / name))

    def _late(self) -> Callable[[str], bool]:
        """Tells which of the deployer's files come after all that is made of the system: none where a hook may read
        them."""
        if folder_input(self.overrides / HOOKS).files:
            return lambda name: False
        return settings_places().hold


def _addition(name: str, given: Input) -> Iterable[Step]:
    if given.files:
        yield make_step(name, {}, {name: given})


def recipe_of(folder: Folder, plan: Plan, model: Model, suite: str | None = None) -> Recipe:
    """A model's recipe in a deployment, of the release SUITE, by default the one that the deployment says."""
    chosen = model.suite(suite or plan.deployment.images.suites.get(model.name))
    return Recipe(model, chosen, plan, folder.overrides / "image")


def systems(folder: Folder, plan: Plan) -> tuple[System, ...]:
    """What the images of a deployment's models need: UsageError where one of them cannot be made."""
    models = sorted(set(plan.deployment.images.models))
    return tuple(recipe_of(folder, plan, read_model(name)).system() for name in models)


def _own_input(own: Sequence[Deb]) -> Input:
    identity = " ".join(sorted(one.sha256 for one in own))
    return Input({re.sub(r"[^\w.+~-]", "_", one.path.name): one.path for one in own}, identity)
