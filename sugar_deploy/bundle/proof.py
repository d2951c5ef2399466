"""Proves a stick: the manifest's signature, every byte of every file, and that nothing else is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.device import told
from sugar_deploy.bundle.layout import UNLISTED, Layout
from sugar_deploy.bundle.manifest import Manifest, read_verified
from sugar_deploy.bundle.parts import Piece
from sugar_deploy.bundle.resume import is_right, present
from sugar_deploy.bundle.watch import Watch
from sugar_deploy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Proof:
    """What a stick was found to be; paths relative to its bundle's folder."""

    manifest: Manifest
    missing: tuple[str, ...]
    wrong: tuple[str, ...]
    foreign: tuple[str, ...]
    """Files that the manifest does not name."""

    @property
    def whole(self) -> bool:
        """Whether a school can use it."""
        return not (self.missing or self.wrong or self.foreign)


def prove(root: Path, key: Path | None, watch: Watch) -> Proof:
    """Prove a stick with the deployment's public keys, or with those on the stick itself where KEY is None.

    The latter shows damage, but not that the stick is your deployment's.
    """
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}", "Name the folder where the stick is mounted")
    layout = Layout(root)
    with told(root):
        manifest = read_verified(layout, key or layout.key)
        there = present(layout)
    watch.begin("Reading", manifest.size)
    missing, wrong = [], []
    for entry in manifest.files:
        if entry.path not in there:
            missing.append(entry.path)
        elif there[entry.path] != entry.size or not is_right(
            layout, Piece(entry.path, entry.size, entry.sha256, root, ""), watch
        ):
            wrong.append(entry.path)
    foreign = sorted(there.keys() - {entry.path for entry in manifest.files} - UNLISTED)
    return Proof(manifest, tuple(missing), tuple(wrong), tuple(foreign))
