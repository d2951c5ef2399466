"""The first start of a laptop whose image makes it its class's server: what it carries is applied as a stick is.

The image is what is trusted: its bundle is proved by hashes when it is put there, and has no signature.
"""

from __future__ import annotations

from pathlib import Path

from sugar_deploy.bundle.install import project
from sugar_deploy.bundle.install.run import Given
from sugar_deploy.bundle.install.server import Server
from sugar_deploy.bundle.install.take import Taking, repository_files, repository_folder, require_parts
from sugar_deploy.bundle.layout import KEY, MANIFEST, PROJECT, Layout
from sugar_deploy.bundle.manifest import parse
from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically


def carry(server: Server, root: Path) -> None:
    """While an image is composed: have it carry what is in a bundle's folder, every file of it proved."""
    layout = Layout(root)
    text = layout.manifest.read_text(encoding="utf-8")
    manifest = parse(text)
    require_parts(manifest)
    taking = Taking(layout, server, manifest, frozenset({PROJECT}))
    taking.run()
    taking.place()
    write_atomically(server.incoming / KEY, layout.key.read_text(encoding="utf-8"))
    write_atomically(server.incoming / MANIFEST, text)
    server.incoming.rename(server.first)


def lay_out(server: Server) -> Given:
    """Have on the server's disk all that is applied of what the image carries; it stays for the next attempt.

    Raises DeployError where the image carries nothing, or what cannot be used.
    """
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
    folder = repository_folder(server, manifest)
    project.lay_out(server.first / PROJECT, server.project, school, folder, repository_files(manifest))
    return Given(manifest, school, keys)
