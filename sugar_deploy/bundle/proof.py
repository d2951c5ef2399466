"""Proves a stick: the manifest's signature, every byte of every file, and that nothing else is there.

Files that the manifest does not list are proved otherwise: install.sh, which a school runs as root, README.txt and
the mark are compared with what this sugar-deploy would write; key.asc, which a server trusts from then on, must hold
the keys that the signed manifest names, and none that the deployment does not trust.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.beside import MARK_TEXT, install_script, readme
from sugar_deploy.bundle.device import told
from sugar_deploy.bundle.install.trust import fingerprints
from sugar_deploy.bundle.layout import KEY, UNLISTED, Layout
from sugar_deploy.bundle.manifest import BadManifest, Manifest, read_verified
from sugar_deploy.bundle.parts import Piece
from sugar_deploy.bundle.resume import is_right, present
from sugar_deploy.bundle.watch import Watch
from sugar_deploy.errors import DeployError, UsageError


@dataclass(frozen=True, slots=True)
class Proof:
    """What a stick was found to be; paths relative to its bundle's folder, or of the two files beside it."""

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
        if key is None and layout.manifest.is_file():
            _require_key(layout)
        manifest = read_verified(layout, key or layout.key)
        there = present(layout)
        missing, wrong = _unlisted(layout, manifest, key)
    watch.begin("Reading", manifest.size)
    for entry in manifest.files:
        if entry.path not in there:
            missing.append(entry.path)
        elif there[entry.path] != entry.size or not is_right(
            layout, Piece(entry.path, entry.size, entry.sha256, root, ""), watch
        ):
            wrong.append(entry.path)
    foreign = sorted(there.keys() - {entry.path for entry in manifest.files} - UNLISTED)
    return Proof(manifest, tuple(missing), tuple(wrong), tuple(foreign))


def _require_key(layout: Layout) -> None:
    """Raise BadManifest unless there is a key on the stick to prove it with."""
    if not layout.key.is_file():
        raise BadManifest(f"the bundle in {layout.root} has no {KEY}", "Write the stick again")
    _held(layout.key)


def _unlisted(layout: Layout, manifest: Manifest, key: Path | None) -> tuple[list[str], list[str]]:
    """Of the files that the manifest does not list, those that are missing and those that are wrong."""
    # Whether there was a newer snapshot when it was written, nobody knows any more.
    readmes = {readme(manifest), readme(manifest, older=True)}
    texts = {layout.install: {install_script()}, layout.readme: readmes, layout.mark: {MARK_TEXT}}
    missing: list[str] = []
    wrong: list[str] = []
    for path in (*texts, layout.key):
        if path.is_symlink():
            wrong.append(path.name)
        elif not path.is_file():
            missing.append(path.name)
        elif path == layout.key:
            if not _is_right_key(layout, manifest, key):
                wrong.append(path.name)
        elif path.read_bytes() not in {text.encode() for text in texts[path]}:
            wrong.append(path.name)
    return missing, wrong


def _is_right_key(layout: Layout, manifest: Manifest, key: Path | None) -> bool:
    """Whether a school can prove the stick with its key.asc, and learns no key by it that the deployment retired."""
    try:
        held = _held(layout.key)
        trusted = _held(key) if key else held
        read_verified(layout, layout.key)
    except DeployError:
        return False
    return held == set(manifest.fingerprints) and held <= trusted


def _held(key: Path) -> frozenset[str]:
    """The fingerprints of the keys in a file; raises BadManifest for a damaged one."""
    return fingerprints(key.read_text(encoding="utf-8", errors="replace"))
