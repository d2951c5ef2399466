"""What differs between two images: packages and files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import UsageError
from sugar_deploy.image.outputs import listing, manifest


@dataclass(frozen=True, slots=True)
class Change:
    """A package or file in the first image and in the second; empty where it is not there."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, by name."""

    packages: tuple[Change, ...]
    files: tuple[Change, ...]


def difference(before: Path, after: Path) -> Difference:
    """What changed from one image's folder to another's, composed ones or made ones. Raises UsageError."""
    return Difference(
        _changes(_packages(before), _packages(after)), _changes(listing.read(before), listing.read(after))
    )


def _packages(folder: Path) -> dict[str, str]:
    if (folder / manifest.NAME).is_file():
        said: list[dict[str, Any]] = manifest.read(folder)["packages"]
    else:
        try:
            said = json.loads((folder / "packages.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{folder} is no image: {error}", "Give the folder of an image") from error
    return {f"{one['name']}:{one['architecture']}": str(one["version"]) for one in said}


def _changes(before: dict[str, str], after: dict[str, str]) -> tuple[Change, ...]:
    names = sorted(before.keys() | after.keys())
    changes = (Change(name, before.get(name, ""), after.get(name, "")) for name in names)
    return tuple(change for change in changes if change.before != change.after)
