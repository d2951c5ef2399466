"""A composed image, as `image build` leaves it in a folder: the system as tars, and what it was made of."""

from __future__ import annotations

import json
import posixpath
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import UsageError, cause
from sugar_deploy.image.survey.reading import SETTINGS, TREE, attributes, normal, trees_of
from sugar_deploy.image.survey.survey import Attribute, Survey

_NAMESPACE = uuid.UUID("0b0a8a4e-5a0c-5c37-8f0b-3b0f5f6b1a55")
"""For identities of file systems; any would do, as long as it stays the same."""
_HASHES = ("root_sha256", "settings_sha256")
"""What the recipe calls the tars' hashes."""
_LINKS = 10
"""Symbolic links that are followed before it is a circle."""


@dataclass(frozen=True, slots=True)
class Composed:
    """The folder's files, the SHA-256 of each tar, and the present (Unix seconds) as their times take it."""

    folder: Path
    hashes: tuple[str, ...]
    epoch: int
    recipe: dict[str, Any]
    packages: list[dict[str, Any]]
    survey: Survey

    @property
    def trees(self) -> tuple[Path, ...]:
        """What the stages made, and the deployer's settings if there are any, which are laid over that."""
        return tuple(self.folder / name for name in (TREE, SETTINGS)[: len(self.hashes)])

    @property
    def tree(self) -> Path:
        """The tar of what the stages made: all of the root file system but the settings."""
        return self.trees[0]

    @property
    def settings(self) -> Path | None:
        """The tar of the settings."""
        return self.trees[1] if len(self.trees) > 1 else None

    @property
    def sha256(self) -> str:
        """The hash of what the stages made."""
        return self.hashes[0]

    def identity(self, part: str) -> uuid.UUID:
        """The identity of one of its file systems: another image has another, the same image the same."""
        return uuid.uuid5(_NAMESPACE, " ".join((*self.hashes, part)))

    def base_identity(self, part: str) -> uuid.UUID:
        """The same before the settings are laid over it."""
        return uuid.uuid5(_NAMESPACE, f"{self.sha256} {part}")

    def prove(self) -> None:
        """Raise UsageError unless the tars are what was composed, once all of them has been read."""
        with _told(self.folder):
            found = self.survey.reads()
            for tree, read, sha256 in zip(self.trees, found, self.hashes, strict=True):
                if read.sha256 != sha256:
                    raise ValueError(f"{tree.name} is not what was composed: it is damaged or cut off")
            if max(read.newest for read in found) != self.epoch:
                raise ValueError("its files have other times than recipe.json says")


def read(folder: Path, survey: Survey | None = None) -> Composed:
    """What is in a composed image's folder; raises UsageError if that is none.

    What the recipe says of the tar is believed, so that work can begin, until `prove` tells. SURVEY is of the tar.
    """
    recipe = _recipe(folder)
    with _told(folder):
        packages = json.loads((folder / "packages.json").read_text("utf-8"))
        trees = trees_of(folder)
        if (len(trees) > 1) != (_HASHES[1] in recipe):
            raise ValueError(f"{SETTINGS} and recipe.json do not belong together")
        if survey is None:
            survey = Survey()
            survey.begin(*trees)
        hashes: tuple[Any, ...] = tuple(recipe.get(key) for key in _HASHES[: len(trees)])
        epoch = recipe.get("source_date_epoch")
        if None in hashes or epoch is None:
            found = survey.reads()
            # The composer lets no time be later than the snapshot's.
            hashes = tuple(said or read.sha256 for said, read in zip(hashes, found, strict=True))
            epoch = max(read.newest for read in found)
        if epoch <= 0:
            raise ValueError("root.tar has no times")
    return Composed(folder, hashes, epoch, recipe, packages, survey)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Within, whatever is wrong with the files is told of the folder."""
    try:
        yield
    except (OSError, ValueError, TypeError, tarfile.TarError) as error:
        raise _no_image(folder, error) from error


def model_name(folder: Path) -> str:
    """The model that a folder was composed for; raises UsageError if it is no composed image."""
    return str(_recipe(folder)["model"])


def _recipe(folder: Path) -> dict[str, Any]:
    try:
        recipe: dict[str, Any] = json.loads((folder / "recipe.json").read_text("utf-8"))
        recipe["model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_image(folder, error) from error
    return recipe


def _no_image(folder: Path, error: Exception) -> UsageError:
    return UsageError(
        f"{folder} is no composed image: {cause(error)}", "Make one: sugar-deploy image build --model MODEL"
    )


def attributes_in(tree: Path) -> Iterator[Attribute]:
    """A small tar's extended attributes, as a program's capabilities are one."""
    with tarfile.open(tree, "r:") as archive:
        for member in archive:
            for name, value in attributes(member).items():
                yield normal(member.name), name, value


def file_in(tree: Path, path: str) -> bytes:
    """The bytes of a file within the tar, symbolic links followed. Raises UsageError if it is not there."""
    with tarfile.open(tree, "r:") as archive:
        members: dict[str, tarfile.TarInfo] = {}
        following, wanted = iter(archive), path
        for _ in range(_LINKS):
            # No further than it has to be read: what is asked for is among the first.
            while wanted not in members and (member := next(following, None)):
                members[normal(member.name)] = member
            found = members.get(wanted)
            if found is None:
                break
            if found.issym():
                wanted = posixpath.normpath(posixpath.join(posixpath.dirname(wanted), found.linkname))
                continue
            content = archive.extractfile(found)
            if content is not None:
                return content.read()
            break
    raise UsageError(
        f"the image has no {path}", "Compose it with a kernel and its ramdisk: without them nothing starts"
    )
