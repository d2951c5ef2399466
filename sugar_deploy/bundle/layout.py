"""Where everything lies on a stick, the same for the one who writes it and for the school that reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = "sugar-deploy"
"""Everything but the two files for people lies in this folder; the stick may hold other things beside it."""

INSTALL = "install.sh"
README = "README.txt"
MANIFEST = "MANIFEST.json"
SIGNATURE = "MANIFEST.json.asc"
KEY = "key.asc"
REPOSITORY = "repository"
PROJECT = "project.tar"
WHEELS = "wheels"
SBOM = "sbom.json"
MARK = "BUNDLE.txt"
"""Tells a bundle, whole or half copied, from a folder of somebody's own that happens to have its name."""

UNLISTED = frozenset({MANIFEST, SIGNATURE, KEY, MARK})
"""Files that the manifest does not list: itself, its signature, the key that signs it, and the mark."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Names every path on a stick; creates none of them."""

    root: Path
    """The stick's root, or the folder that stands for it."""

    @property
    def folder(self) -> Path:
        """What the manifest's paths are relative to."""
        return self.root / FOLDER

    @property
    def manifest(self) -> Path:
        """What the bundle is and holds; written last and removed first."""
        return self.folder / MANIFEST

    @property
    def signature(self) -> Path:
        """The manifest's detached signature by the repository's key, ASCII armoured."""
        return self.folder / SIGNATURE

    @property
    def key(self) -> Path:
        """Every public key that the deployment trusts, ASCII armoured."""
        return self.folder / KEY

    @property
    def repository(self) -> Path:
        """The published tree."""
        return self.folder / REPOSITORY

    @property
    def project(self) -> Path:
        """The rendered Ansible project of the chosen schools, without repository and secrets, as a tar file."""
        return self.folder / PROJECT

    @property
    def wheels(self) -> Path:
        """The tool and the Python packages that it needs."""
        return self.folder / WHEELS

    def lock(self, suite: str, architecture: str) -> Path:
        """The requirements file that installs the tool from the wheels on such a server.

        For `pip install --no-index --no-deps --require-hashes --find-links wheels`. A line `# Debian: python3-x …`
        names Debian packages that stand in for wheels that nobody makes for this architecture: where there is one,
        install these first, and let the environment see them (--system-site-packages).
        """
        return self.wheels / f"{suite}-{architecture}.txt"

    @property
    def mark(self) -> Path:
        """Says in words what this folder is; written first."""
        return self.folder / MARK

    @property
    def sbom(self) -> Path:
        """The snapshot's software bill of materials; an optional part."""
        return self.folder / SBOM

    @property
    def install(self) -> Path:
        """`sh install.sh`: the first installation at a school."""
        return self.root / INSTALL

    @property
    def readme(self) -> Path:
        """What to do with this stick, for the person who holds it."""
        return self.root / README

    def file(self, path: str) -> Path:
        """A file of the manifest."""
        return self.folder / path
