"""A composed image, as `image build` leaves it in a folder: the whole system as a tar, and what it was made of."""

from __future__ import annotations

import hashlib
import json
import posixpath
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from sugar_deploy.errors import UsageError, cause

_NAMESPACE = uuid.UUID("0b0a8a4e-5a0c-5c37-8f0b-3b0f5f6b1a55")
"""For identities of file systems; any would do, as long as it stays the same."""
_ATTRIBUTE = "SCHILY.xattr."
"""What tar puts before an extended attribute's name."""
_LINKS = 10
"""Symbolic links that are followed before it is a circle."""
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Composed:
    """The folder's files, the tar's SHA-256, and the present (Unix seconds) as its times take it."""

    folder: Path
    sha256: str
    epoch: int
    recipe: dict[str, Any]
    packages: list[dict[str, Any]]

    @property
    def tree(self) -> Path:
        """The tar of the whole root file system."""
        return self.folder / "root.tar"

    def identity(self, part: str) -> uuid.UUID:
        """The identity of one of its file systems: another image has another, the same image the same."""
        return uuid.uuid5(_NAMESPACE, f"{self.sha256} {part}")


def read(folder: Path) -> Composed:
    """What is in a composed image's folder; raises UsageError if that is none."""
    recipe = _recipe(folder)
    try:
        packages = json.loads((folder / "packages.json").read_text("utf-8"))
        sha256, epoch = _hash_and_newest(folder / "root.tar")
        if recipe.get("root_sha256", sha256) != sha256:
            raise ValueError("root.tar is not what was composed: it is damaged or cut off")
        if epoch <= 0:
            raise ValueError("root.tar has no times")
    except (OSError, ValueError, tarfile.TarError) as error:
        raise _no_image(folder, error) from error
    return Composed(folder, sha256, epoch, recipe, packages)


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        content = self._file.read(size)
        self.hash.update(content)
        return content


def _hash_and_newest(tree: Path) -> tuple[str, int]:
    """The SHA-256 and the newest time of a tar, read once: it has some gigabytes."""
    with tree.open("rb") as file:
        hashed = _Hashed(file)
        # As a stream, in which nothing is jumped over.
        with tarfile.open(fileobj=cast(BinaryIO, hashed), mode="r|") as archive:
            # The composer lets no time be later than the snapshot's.
            newest = max((int(member.mtime) for member in archive), default=0)
        while hashed.read(_CHUNK):
            pass
    return hashed.hash.hexdigest(), newest


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


def attributes_in(tree: Path) -> Iterator[tuple[str, str, bytes]]:
    """The tar's extended attributes, as a program's capabilities are one: path from the root, name, value."""
    with tarfile.open(tree, "r:") as archive:
        for member in archive:
            path = posixpath.normpath("/" + member.name)
            for name, value in attributes(member).items():
                yield path, name, value


def file_in(tree: Path, path: str) -> bytes:
    """The bytes of a file within the tar, symbolic links followed. Raises UsageError if it is not there."""
    with tarfile.open(tree, "r:") as archive:
        members = {posixpath.normpath("/" + member.name): member for member in archive}
        wanted = path
        for _ in range(_LINKS):
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


def attributes(member: tarfile.TarInfo) -> dict[str, bytes]:
    """A file's extended attributes, as a program's capabilities are one."""
    return {
        header.removeprefix(_ATTRIBUTE): value.encode("utf-8", "surrogateescape")
        for header, value in member.pax_headers.items()
        if header.startswith(_ATTRIBUTE)
    }
