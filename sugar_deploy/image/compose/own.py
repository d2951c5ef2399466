"""The deployment's own packages of an image, from its published snapshot, each proved by its hash."""

from __future__ import annotations

from pathlib import Path

from sugar_deploy.image.compose.source import require_published
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.record import Item, Record


def own_packages(record: Record, tree: Path, system: System) -> tuple[Deb, ...]:
    """Those that a system takes of the deployment's own packages, sorted.

    TREE is the published one. Raises DeployError where a package in it is not what was published.
    """
    offered = {item.name: item for item in _offered(record, system)}
    return system.own(offered, lambda name: _deb(offered[name], tree))


def _offered(record: Record, system: System) -> tuple[Item, ...]:
    """The newest of each name come last. A suite that only images have takes what is made for all of them."""
    listed = record.suites.get(system.distribution, record.suites.get(system.suite))
    items = record.items if listed is None else listed
    fitting = {"all", system.architecture}
    return tuple(item for item in items if item.origin != "debian" and item.architecture in fitting)


def _deb(item: Item, tree: Path) -> Deb:
    path = tree / item.filename
    require_published(path, item.sha256)
    return Deb(item.name, item.version, item.architecture, item.sha256, path, item.origin, item.source, item.size)
