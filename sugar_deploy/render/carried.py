"""The repository in a project: its tree, what is in it, and the name of its state, by which servers compare.

    repository/tree/…         the published tree: links to the deployer's own, or to a stick
    repository/listing.json   its files
    repository/held.json      at a school: files that the tree lacks because the server has them already
    repository/state          the hash of both lists

`apply` carries to each server the files that it lacks. Nothing is packed: a project of 10,000 schools is rendered in
the same time with a repository of one gigabyte.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.deployment.types import FOR_IMAGES
from sugar_deploy.files import sha256_of, unchanged, write_atomically
from sugar_deploy.folder import SNAPSHOT_RECORD, Folder
from sugar_deploy.render.draft import Draft, walk

FOLDER = "repository"
TREE = f"{FOLDER}/tree"
LISTING = f"{FOLDER}/listing.json"
HELD = f"{FOLDER}/held.json"
STATE = f"{FOLDER}/state"

_HASHES = "hashes.json"


@dataclass(frozen=True, slots=True, order=True)
class CarriedFile:
    """A file of the repository: its path below the tree, with slashes; its size in bytes; its hash."""

    path: str
    size: int
    sha256: str


def state_of(files: Iterable[CarriedFile]) -> str:
    """What names this very content: 64 hex digits."""
    lines = "".join(f"{file.sha256} {file.size} {file.path}\n" for file in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def listing_text(files: Iterable[CarriedFile]) -> str:
    """A list as JSON, one file a line."""
    lines = [json.dumps({"path": each.path, "size": each.size, "sha256": each.sha256}) for each in sorted(files)]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def link_repository(folder: Folder, draft: Draft) -> None:
    """Put the published tree into a project, by links where the filesystem has them."""
    if not folder.published.is_dir():
        return
    known = _Hashes(folder.state / _HASHES)
    files = []
    unneeded = _for_images_alone(folder.published / SNAPSHOT_RECORD)
    for path in walk(folder.published):
        if path.as_posix() in unneeded or any(part.endswith(FOR_IMAGES) for part in path.parts[:2]):
            continue
        source = (folder.published / path).resolve()
        files.append(CarriedFile(path.as_posix(), source.stat().st_size, known.sha256(path.as_posix(), source)))
        draft.link(source, f"{TREE}/{path.as_posix()}")
    known.keep()
    _describe(draft, files)


def _for_images_alone(record: Path) -> set[str]:
    """The packages that only composing images takes, by their path below the tree: no server needs them."""
    try:
        suites = json.loads(record.read_text(encoding="utf-8"))["suites"]
    except FileNotFoundError:
        return set()
    files: dict[bool, set[str]] = {True: set(), False: set()}
    for name, items in suites.items():
        files[name.endswith(FOR_IMAGES)].update(item["filename"] for item in items)
    return files[True] - files[False]


def _describe(draft: Draft, files: list[CarriedFile]) -> None:
    draft.text(LISTING, listing_text(files))
    draft.text(STATE, f"{state_of(files)}\n")


def attach_repository(project: Path, tree: Path, present: Iterable[CarriedFile], held: Iterable[CarriedFile]) -> str:
    """At a school: let a project carry the repository of a stick, in place; returns the name of its state.

    PRESENT are the files in TREE, HELD those that the server has already, as the bundle's manifest lists them.
    """
    here, there = list(present), list(held)
    (project / FOLDER).mkdir(mode=0o700, exist_ok=True)
    link = project / TREE
    link.unlink(missing_ok=True)
    link.symlink_to(tree.resolve(), target_is_directory=True)
    write_atomically(project / LISTING, listing_text(here))
    write_atomically(project / HELD, listing_text(there))
    state = state_of([*here, *there])
    write_atomically(project / STATE, f"{state}\n")
    return state


class _Hashes:
    """Hashes of files that are the same as at the last rendering: no package is read twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        self._seen: dict[str, list[Any]] = {}
        with contextlib.suppress(OSError, ValueError):
            loaded = json.loads(path.read_text(encoding="utf-8"))
            self._known = loaded if isinstance(loaded, dict) else {}

    def sha256(self, name: str, path: Path) -> str:
        """The file's hash, from the last time if it is the same file with the same size and time."""
        mark = [*unchanged(path)]
        known = self._known.get(name)
        if isinstance(known, list) and known[:-1] == mark and isinstance(known[-1], str):
            found = known[-1]
        else:
            found = sha256_of(path)
        self._seen[name] = [*mark, found]
        return found

    def keep(self) -> None:
        """Remember them; where that is impossible, the next rendering reads the files again."""
        if self._seen == self._known:
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            write_atomically(self._path, json.dumps(self._seen))


def read_listing(path: Path) -> tuple[CarriedFile, ...]:
    """The files of a listing.json or held.json; none where there is no such file."""
    if not os.path.lexists(path):
        return ()
    return tuple(CarriedFile(**each) for each in json.loads(path.read_text(encoding="utf-8")))
