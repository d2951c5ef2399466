"""What no manifest lists: the files for the person at the school, and the mark. The manifest alone decides them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from sugar_deploy.bundle.manifest import Manifest

MARK_TEXT = (
    "Written by `sugar-deploy repo bundle`, which replaces this whole folder. Keep nothing of yours in it.\n"
    "Without MANIFEST.json it is half copied and of no use yet: finish it where it was begun.\n"
)
_OLDER = """

It goes back on purpose: a server that has a later number than {serial} takes it only when told so, with

    sugar-deploy install PATH --allow-older"""
_HERE = Path(__file__).resolve().parent


def install_script() -> str:
    """install.sh, as this sugar-deploy brings it along."""
    return (_HERE / "install.sh").read_text(encoding="utf-8")


def readme(manifest: Manifest, *, older: bool = False) -> str:
    """README.txt: what this stick is, for the person who holds it; OLDER: there was a newer one already."""
    since = manifest.since
    what = (
        f"It carries only what changed since number {since.serial} (snapshot {since.snapshot}), "
        "which the server must have already."
        if since
        else "It is complete: it needs nothing that was installed before."
    )
    if older:
        what += _OLDER.format(serial=manifest.serial)
    return Template((_HERE / "readme.txt").read_text(encoding="utf-8")).substitute(
        title=manifest.title,
        underline="=" * len(manifest.title),
        deployment=manifest.deployment,
        what=what,
        schools=listed(manifest.schools),
        suites=", ".join(manifest.suites),
        architectures=", ".join(manifest.architectures),
        snapshot=manifest.snapshot,
        serial=manifest.serial,
        created_at=manifest.created_at,
        fingerprints=", ".join(manifest.fingerprints),
    )


def listed(names: Sequence[str], most: int = 10) -> str:
    """The first of these names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
