"""From the deployment's folder to a rendered project, ready to run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sugar_deploy.deployment.load import load
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.recipe import systems
from sugar_deploy.render.project import render
from sugar_deploy.repository.publish import Publication, publish
from sugar_deploy.scenario.catalogue import package_catalogue
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve


def resolved(folder: Folder) -> Plan:
    """The deployment in this folder, checked and resolved."""
    return resolve(load(folder), package_catalogue())


def published(
    folder: Folder,
    plan: Plan,
    say: Callable[[str], None],
    *,
    sources: Path | None = None,
    latest: bool = False,
) -> Publication:
    """Publish the deployment's packages, with what its images need, if that is due."""
    return publish(folder, plan, say, systems=systems(folder, plan), sources=sources, latest=latest)


def prepare(
    folder: Folder,
    say: Callable[[str], None],
    check: Callable[[Plan], object] = lambda _plan: None,
    *,
    carried: bool = False,
) -> Plan:
    """Check the deployment, publish its packages if that is due, and render its Ansible project.

    `check` sees the plan first: what the deployer asked for wrongly is told at once. What servers take from the web
    (`repository.url`) is published there by `repo publish`, when the deployer wants it; where the repository is
    CARRIED all the same, as on a stick, it has to be that of these settings.
    """
    plan = resolved(folder)
    check(plan)
    if carried or plan.deployment.repository.url is None:
        say("Building and publishing the deployment's packages")
        published(folder, plan, say)
    render(plan, folder, folder.rendered)
    return plan
