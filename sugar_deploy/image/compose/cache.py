"""Trees that stages made, kept by their ids: written whole or not at all, and proved before they are used."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.files import sha256_of, to_disk, write_atomically
from sugar_deploy.image.compose.contents import Contents
from sugar_deploy.image.survey.reading import TREE, Read, Reader, read_tree

_PROOF = "tree.json"
KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Known:
    """What was read of a tree when it was kept: its SHA-256, its newest date (Unix seconds), its packages."""

    sha256: str
    newest: int
    packages: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Cache:
    """Below a folder, one folder for each id."""

    folder: Path

    @property
    def work(self) -> Path:
        """Where stages work; whatever a killed build leaves there is cleared away by the next one."""
        return self.folder / "work"

    def find(self, identity: str) -> Path | None:
        """The tree of this id; None if there is none. Raises CorruptEntry."""
        entry = self.folder / identity
        try:
            right = known(entry / TREE).sha256 == sha256_of(entry / TREE)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            right = False
        if not right:
            shutil.rmtree(entry)
            raise CorruptEntry(identity)
        os.utime(entry)
        return entry / TREE

    def keep(self, identity: str, tree: Path, readers: Sequence[Reader] = ()) -> tuple[Path, Read]:
        """Take over a tree that is complete, which is read for its proof and by READERS.

        Another process may have kept the same one meanwhile.
        """
        draft = self.folder / f".{identity}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            proof, read = _proof(tree, readers)
            to_disk(tree)
            tree.replace(draft / TREE)
            (draft / TREE).chmod(0o444)
            write_atomically(draft / _PROOF, json.dumps(proof) + "\n", 0o644)
            shutil.rmtree(self.folder / identity, ignore_errors=True)
            draft.rename(self.folder / identity)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return self.folder / identity / TREE, read

    def prune(self, now: float | None = None) -> None:
        """Drop what no build has used for long, and what killed ones left; only while no other build runs."""
        oldest = (now or time.time()) - KEPT_DAYS * 86400
        for entry in self.folder.iterdir():
            if entry.name.startswith(".") or ((entry / _PROOF).is_file() and entry.stat().st_mtime < oldest):
                shutil.rmtree(entry, ignore_errors=True)
            for draft in entry.glob(".*"):
                draft.unlink()


class CorruptEntry(Exception):
    """A kept tree was not what had been written; it has been dropped."""


def _proof(tree: Path, readers: Sequence[Reader]) -> tuple[Mapping[str, Any], Read]:
    contents = Contents()
    found = read_tree(tree, contents, *readers)
    return {"sha256": found.sha256, "newest": found.newest, "packages": contents.packages}, found


def known(tree: Path) -> Known:
    """What is known of a kept tree without reading it. Raises OSError, ValueError, KeyError and TypeError."""
    proof = json.loads(tree.with_name(_PROOF).read_text(encoding="utf-8"))
    return Known(proof["sha256"], proof["newest"], proof["packages"])


def lent(tree: Path, target: Path) -> None:
    """Give a kept tree a second name, or copy it where that cannot be.

    It may be read only, but root writes through that: who edits it gets what is kept made anew, since it is proved.
    """
    try:
        os.link(tree, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(tree, target)
