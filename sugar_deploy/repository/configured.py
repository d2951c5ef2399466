"""The deployment's configuration packages, for laptops on OLPC OS too, made without publishing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.folder import Folder
from sugar_deploy.repository.configuration import configuration_debs
from sugar_deploy.repository.rpm.yum import built_yum
from sugar_deploy.repository.work import working
from sugar_deploy.scenario.plan import Plan


@dataclass(frozen=True, slots=True)
class Configured:
    """What was made from the deployment file."""

    debs: tuple[Path, ...]
    yum: Path | None
    """The folder of the yum repository, named as its version; None where there is no laptop to serve."""

    @property
    def rpms(self) -> tuple[Path, ...]:
        """The packages in it."""
        return tuple(sorted(self.yum.glob("*.rpm"))) if self.yum else ()


def configured(folder: Folder, plan: Plan, say: Callable[[str], None]) -> Configured:
    """Make them, or find them as they were made: they hold the public keys, which are made at their first use."""
    with working(folder, plan.deployment.name, say) as work:
        debs = configuration_debs(folder, plan, folder.repository_key.read_text(), say, proved=work.proved)
        return Configured(debs, built_yum(folder, plan, say))
