"""The deployment's own packages of an image, from its published snapshot, each proved by its hash."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.files import sha256_of
from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.record import Item, Record


def own_packages(
    record: Record, tree: Path, suite: str, architecture: str, wanted: Collection[str]
) -> tuple[Deb, ...]:
    """Those of the WANTED packages that are the deployment's own, and its own ones that they need, sorted.

    TREE is the published one. Raises DeployError where a package in it is not what was published.
    """
    offered = {item.name: item for item in _offered(record, suite, architecture)}
    found: dict[str, Deb] = {}
    left = sorted(set(wanted) & offered.keys())
    while left:
        name = left.pop()
        deb = _deb(offered[name], tree)
        found[name] = deb
        left += sorted(_needed(deb) & offered.keys() - found.keys() - set(left))
    return tuple(sorted(found.values()))


def _offered(record: Record, suite: str, architecture: str) -> tuple[Item, ...]:
    """The newest of each name come last. A suite that only images have takes what is made for all of them."""
    listed = record.suites.get(suite)
    items = record.items if listed is None else listed
    return tuple(item for item in items if item.origin != "debian" and item.architecture in {"all", architecture})


def _deb(item: Item, tree: Path) -> Deb:
    path = tree / item.filename
    try:
        right = sha256_of(path) == item.sha256
    except FileNotFoundError:
        right = False
    if not right:
        raise DeployError(f"{path} is not what was published", "Publish again: sugar-deploy repo publish")
    return Deb(item.name, item.version, item.architecture, item.sha256, path, item.origin, item.source, item.size)


def _needed(deb: Deb) -> set[str]:
    """Names in what it depends on, of all alternatives."""
    fields = subprocess.run(
        ["dpkg-deb", "--field", str(deb.path), "Depends", "Pre-Depends"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    plain = re.sub(r"^[\w-]+:|\([^)]*\)|\[[^\]]*\]", "", fields, flags=re.MULTILINE)
    return {name.partition(":")[0] for name in re.split(r"[\s,|]+", plain) if name}
