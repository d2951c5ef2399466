"""Publishes a few packages without a deployment file: ours and the deployer's, no configuration packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sugar_deploy.folder import Folder
from sugar_deploy.repository.build import build, quiet
from sugar_deploy.repository.contents import Contents
from sugar_deploy.repository.debs import merged
from sugar_deploy.repository.publish import Publication, release
from sugar_deploy.repository.work import working

SUITES = ("bookworm", "trixie")


def publish(
    folder: Folder,
    name: str,
    say: Callable[[str], None] = quiet,
    *,
    sources: Path,
    suites: tuple[str, ...] = SUITES,
    keep: int = 5,
    yum: Path | None = None,
) -> Publication:
    """Publish the packages of a folder of sources, and those in debs/, for the same suites."""
    with working(folder, name, say) as work:
        paths = {deb: "ours" for built in build(say, sources=sources) for deb in built.debs}
        paths |= dict.fromkeys(sorted(folder.debs.glob("*.deb")), "deployer")
        debs = merged(work.proved.deb(path, origin) for path, origin in paths.items())
        return release(work, Contents(dict.fromkeys(suites, debs)), yum, keep)
