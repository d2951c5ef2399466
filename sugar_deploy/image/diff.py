"""What differs between two images: what they were made of, packages, files, and what was made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import UsageError, cause
from sugar_deploy.image.outputs import manifest
from sugar_deploy.image.survey import listing

_DERIVED = frozenset({manifest.SBOM, listing.NAME})
"""Files of an image that tell in another way what is compared already."""


@dataclass(frozen=True, slots=True)
class Change:
    """A thing in the first image and in the second; empty where it is not there."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """All changes, by name."""

    recipe: tuple[Change, ...]
    """Facts of the recipe, and the stages' ids: the first stage that differs had other inputs."""
    packages: tuple[Change, ...]
    files: tuple[Change, ...]
    """All but their dates."""
    dates: tuple[Change, ...]
    """Files that differ in their dates alone."""
    outputs: tuple[Change, ...]
    """The SHA-256 of what is flashed, where both were made."""

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self.recipe or self.packages or self.files or self.dates or self.outputs)


def difference(before: Path, after: Path) -> Difference:
    """What changed from one image's folder to another's, composed ones or made ones. Raises UsageError."""
    one, other = _facts(before), _facts(after)
    changes = _changes(listing.read(before), listing.read(after))
    files = tuple(each for each in changes if not _is_of_date(each))
    dates = tuple(each for each in changes if _is_of_date(each))
    return Difference(
        _changes(_recipe(one["recipe"]), _recipe(other["recipe"])),
        _changes(_packages(one["packages"]), _packages(other["packages"])),
        files,
        dates,
        _changes(_outputs(one), _outputs(other)) if "files" in one and "files" in other else (),
    )


def _is_of_date(change: Change) -> bool:
    """Whether the same file has another date, and nothing else."""
    return listing.without_date(change.before) == listing.without_date(change.after)


def _facts(folder: Path) -> dict[str, Any]:
    """What a made image's manifest says, and of a composed one the same as far as there is."""
    if (folder / manifest.NAME).is_file():
        return manifest.read(folder)
    try:
        return {name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("recipe", "packages")}
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is no image: {cause(error)}", "Give the folder of an image") from error


def _recipe(told: dict[str, Any]) -> dict[str, str]:
    facts = {name: str(value) for name, value in told.items() if name != "stages"}
    return facts | {f"stage {one['name']}": str(one["id"]) for one in told.get("stages", ())}


def _packages(told: list[dict[str, Any]]) -> dict[str, str]:
    return {f"{one['name']}:{one['architecture']}": str(one["version"]) for one in told}


def _outputs(told: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: str(one["sha256"]) for one in told["files"] if one["name"] not in _DERIVED}


def _changes(before: dict[str, str], after: dict[str, str]) -> tuple[Change, ...]:
    names = sorted(before.keys() | after.keys())
    changes = (Change(name, before.get(name, ""), after.get(name, "")) for name in names)
    return tuple(change for change in changes if change.before != change.after)
