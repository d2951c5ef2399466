"""A model's recipe: which packages its image has, and which stages make it. Pure, but for the files it looks at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from sugar_deploy.errors import UsageError
from sugar_deploy.image.compose.debian import Chosen
from sugar_deploy.image.compose.stage import Input, Options, Step, folder_input, make_step
from sugar_deploy.image.models import Model, Suite
from sugar_deploy.repository.client_settings import main_scenario
from sugar_deploy.repository.debs import Deb
from sugar_deploy.resources import resource
from sugar_deploy.scenario.plan import Plan

Names = Annotated[tuple[str, ...], Field(min_length=1)]
FILES, ACTIVITIES, HOOKS, ANIMATION = "files", "activities", "hooks", "animation"
XO_BOOT = "sugar-xo-boot"
SERVER = "downstream-server-demo"
_MOUNTED = {"ext4": "errors=remount-ro", "ext2": "nofail,noatime", "vfat": "nofail,umask=0077"}
"""How: a start partition that is damaged keeps nobody from the system."""


class Lists(BaseModel):
    """image/packages.yml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: Names
    sugar: Names
    screens: dict[str, tuple[str, ...]]
    animation: Names


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

    def wanted(self) -> tuple[str, ...]:
        """Names of packages, Debian's and the deployment's own, without what they need."""
        lists = Lists.model_validate(yaml.safe_load((resource("image") / "packages.yml").read_text(encoding="utf-8")))
        images = self.plan.deployment.images
        found = {*lists.system, *lists.sugar, *lists.screens[self.model.architecture], *images.packages, self.kernel}
        if (self.overrides / ANIMATION).is_dir():
            found.update(lists.animation)
        return tuple(sorted(found | set(self._settings())))

    def _settings(self) -> Iterable[str]:
        name, images = self.plan.deployment.name, self.plan.deployment.images
        yield "sugar-client"
        if scenario := images.scenario or main_scenario(self.plan):
            yield f"{name}-{scenario}-client"
        if images.server:
            yield f"{name}-peer-server"
            yield SERVER

    def optional(self) -> tuple[str, ...]:
        """What is installed if the deployment's repository has it: our first start, firmware that is not free."""
        return XO_BOOT, *self.model.firmware

    def steps(self, debian: Chosen, own: Sequence[Deb], snapshot: str) -> tuple[Step, ...]:
        """The stages, in order; those that have nothing to do are left out."""
        deployment = self.plan.deployment
        settings: Options = {
            "timezone": deployment.timezone,
            "languages": deployment.languages,
            "release": f"{deployment.name} {self.model.name} {self.suite.name} {snapshot}",
        }
        found = [
            make_step("base", {"architecture": self.model.architecture}, {"debian": debian.as_input()}),
            make_step("packages", {}, {"own": _own_input(own)}),
            *self._mounts(),
            *self._ramdisk(),
            *self._additions((FILES, ACTIVITIES)),
            make_step("desktop", settings),
            *self._additions((ANIMATION, HOOKS)),
            make_step("finish"),
        ]
        return tuple(found)

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

    def _additions(self, names: Iterable[str]) -> Iterable[Step]:
        for name in names:
            given = folder_input(self.overrides / name)
            if given.files:
                yield make_step(name, {}, {name: given})


def _own_input(own: Sequence[Deb]) -> Input:
    identity = " ".join(sorted(one.sha256 for one in own))
    return Input({re.sub(r"[^\w.+~-]", "_", one.path.name): one.path for one in own}, identity)
