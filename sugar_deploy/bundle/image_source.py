"""A stick as what images are composed of, on a machine that has no repository and no Internet."""

from __future__ import annotations

from pathlib import Path

from sugar_deploy.bundle.device import told
from sugar_deploy.bundle.layout import REPOSITORY, WHEELS, Layout
from sugar_deploy.bundle.manifest import Manifest, read_verified
from sugar_deploy.bundle.select import POOL_FOLDER
from sugar_deploy.errors import DeployError
from sugar_deploy.files import sha256_of
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.source import Source
from sugar_deploy.repository.record import read
from sugar_deploy.repository.tree import RECORD

_PACKAGES = (f"{REPOSITORY}/{POOL_FOLDER}/", f"{WHEELS}/")


def image_source(stick: Path, folder: Folder, deployment: str) -> Source:
    """The snapshot on a stick that the deployment's own key has signed; DeployError where it cannot be used.

    Its indexes are proved here, its packages when they are used.
    """
    if not folder.repository_key.is_file():
        raise DeployError(
            f"there is no {folder.repository_key} to prove the stick with",
            "Copy the deployment's folder as it is in version control, where the key belongs, or that file alone",
        )
    layout = Layout(stick)
    with told(stick):
        manifest = read_verified(layout, folder.repository_key)
        _require_fitting(manifest, stick, deployment)
        for entry in manifest.files:
            if not entry.path.startswith(_PACKAGES) and sha256_of(layout.file(entry.path)) != entry.sha256:
                wrong = f"{layout.file(entry.path)} is damaged or was tampered with"
                raise DeployError(wrong, "Write the stick again, or use another one")
        record = read(layout.repository / RECORD)
    if record is None or f"{REPOSITORY}/{RECORD}" not in {entry.path for entry in manifest.files}:
        raise DeployError(f"the stick {stick} has no {RECORD}", "Write the stick again, or use another one")
    return Source(layout.repository, folder.repository_key, record, stick)


def _require_fitting(manifest: Manifest, stick: Path, deployment: str) -> None:
    if manifest.deployment != deployment:
        raise DeployError(
            f"the stick {stick} is of the deployment {manifest.deployment}, not {deployment}",
            "Use one of this deployment",
        )
    if manifest.since:
        raise DeployError(
            f"the stick {stick} carries only what changed since snapshot {manifest.since.snapshot}",
            f"Write a complete one: sugar-deploy repo bundle {stick} --images",
        )
