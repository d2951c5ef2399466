"""The first start of a laptop whose image makes it its class's server: what it carries is applied as a stick is.

The image is what is trusted: its bundle is proved by hashes when it is put there, and has no signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sugar_deploy.bundle.install import project
from sugar_deploy.bundle.install.run import Given, apply_project
from sugar_deploy.bundle.install.server import Server
from sugar_deploy.bundle.install.take import Report, Taking, repository_files, repository_folder, require_parts
from sugar_deploy.bundle.layout import KEY, MANIFEST, PROJECT, Layout
from sugar_deploy.bundle.manifest import parse
from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.run.execute import Watch
from sugar_deploy.run.job import Outcome


def carry(server: Server, root: Path, report: Report) -> None:
    """While an image is composed: have it carry what is in a bundle's folder, every file of it proved."""
    layout = Layout(root)
    text = layout.manifest.read_text(encoding="utf-8")
    manifest = parse(text)
    require_parts(manifest)
    taking = Taking(layout, server, manifest, frozenset({PROJECT}), report)
    taking.run()
    taking.place()
    write_atomically(server.incoming / KEY, layout.key.read_text(encoding="utf-8"))
    write_atomically(server.incoming / MANIFEST, text)
    server.incoming.rename(server.first)


def carried(server: Server) -> Given:
    """What the image carries; DeployError where it carries nothing, or what cannot be used."""
    try:
        manifest = parse((server.first / MANIFEST).read_text(encoding="utf-8"))
        keys = (server.first / KEY).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DeployError(
            f"there is nothing for a first start in {server.first}: this machine has become a server already, or was "
            "not flashed with an image that makes it one",
            "Install from a stick: sugar-deploy install STICK",
        ) from None
    (school,) = manifest.schools
    return Given(manifest, school, keys)


def apply(
    server: Server,
    given: Given,
    watch: Watch,
    *,
    environment: Mapping[str, str],
    held: int | None = None,
    verbosity: int = 0,
) -> Outcome:
    """Make this machine the server that its image says; after a cut the next call does what is left."""
    project.unpack(server.first / PROJECT, server.project, given.school)
    folder = repository_folder(server, given.manifest)
    project.join(server.project, folder, repository_files(given.manifest))
    return apply_project(server, given, watch, environment=environment, held=held, verbosity=verbosity)
