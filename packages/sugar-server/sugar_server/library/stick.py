# SPDX-License-Identifier: GPL-3.0-or-later
"""A stick with activities as XS school servers took it: bundles, *.info files, and a manifest of their checksums.

The manifest is what sha1sum or sha256sum prints over all files of the folder, itself excluded: manifest.sha1 or
manifest.sha256, of which the latter counts where both are there.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sugar_server.library.bundle import MIME_TYPES

FOLDER = "xs-activity-server"
"""Where a stick has it."""
TAKEN = (*MIME_TYPES, ".info")
KINDS = ("sha256", "sha1")
_LARGEST_MANIFEST = 4 * 1024 * 1024
_LINE = re.compile(r"([0-9a-fA-F]{40}|[0-9a-fA-F]{64}) [ *](?:\./)?([^/]+)")
_PIECE = 1024 * 1024


class Unsound(Exception):
    """The stick is not what was put on it: nothing of it is taken."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Stick:
    """The files of a stick, open for reading, with what they ought to be."""

    kind: str
    """Of the checksums."""
    sums: Mapping[str, str]
    """By name, in lower case, of every file in the manifest."""
    files: Mapping[str, BinaryIO]


def opened(folder: Path, keep: Callable[[BinaryIO], BinaryIO]) -> Stick:
    """The stick in FOLDER, its files given to KEEP, who closes them; or Unsound, with every fault there is to see."""
    kind, sums = _manifest(folder)
    faults, files = [], {}
    for name in sorted(sums):
        try:
            files[name] = keep(_open(folder / name))
        except FileNotFoundError:
            faults.append(f"{name}: is in the manifest, and not on the stick")
        except OSError as error:
            faults.append(f"{name}: cannot be read ({error.strerror})")
    for path in sorted(folder.iterdir()):
        if path.suffix in TAKEN and not path.name.startswith(".") and path.name not in sums:
            faults.append(f"{path.name}: is not in the manifest")
    if faults:
        raise Unsound(faults)
    return Stick(kind, sums, files)


def digest(file: BinaryIO, kind: str, write: Callable[[bytes], object] | None = None) -> str:
    """The checksum of what a file holds from its beginning; every piece is given to WRITE as well."""
    total = hashlib.new(kind, usedforsecurity=False)
    file.seek(0)
    while piece := file.read(_PIECE):
        total.update(piece)
        if write:
            write(piece)
    return total.hexdigest()


def _manifest(folder: Path) -> tuple[str, dict[str, str]]:
    for kind in KINDS:
        name = f"manifest.{kind}"
        try:
            with _open(folder / name) as file:
                content = file.read(_LARGEST_MANIFEST + 1)
            return kind, _sums(name, kind, content)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise Unsound([f"{name}: cannot be read ({error.strerror})"]) from None
    raise Unsound([f"{folder} has no manifest.sha1. Make it there: sha1sum -- * > manifest.sha1"])


def _sums(manifest: str, kind: str, content: bytes) -> dict[str, str]:
    digits = 2 * hashlib.new(kind, usedforsecurity=False).digest_size
    sums: dict[str, str] = {}
    faults = [f"{manifest}: is too large"] if len(content) > _LARGEST_MANIFEST else []
    for number, line in enumerate(content.decode("utf-8", "surrogateescape").splitlines(), 1):
        match = _LINE.fullmatch(line)
        name = match.group(2) if match else ""
        if match is None or len(match.group(1)) != digits or name in {"..", "."} or not name.isprintable():
            faults.append(f"{manifest}:{number}: is no line of {kind}sum for a file of this folder")
        elif sums.setdefault(name, match.group(1).lower()) != match.group(1).lower():
            faults.append(f"{manifest}:{number}: {name} is there twice")
    if faults:
        raise Unsound(faults)
    return {name: value for name, value in sums.items() if not name.startswith("manifest.")}


def _open(path: Path) -> BinaryIO:
    """A file of the stick itself: no link, by which root would read a file of the server's, and no pipe."""
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(0, "it is not a file")
    return file
