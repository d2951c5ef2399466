"""Trees that stages made, kept by their ids: written whole or not at all, and proved before they are used."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.files import sha256_of, to_disk, write_atomically

TREE = "root.tar"
_PROOF = "tree.json"
KEPT_DAYS = 30


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
            proof = json.loads((entry / _PROOF).read_text(encoding="utf-8"))
            right = proof["sha256"] == sha256_of(entry / TREE)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            right = False
        if not right:
            shutil.rmtree(entry)
            raise CorruptEntry(identity)
        os.utime(entry)
        return entry / TREE

    def keep(self, identity: str, tree: Path) -> Path:
        """Take over a tree that is complete; another process may have kept the same one meanwhile."""
        draft = self.folder / f".{identity}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            digest = sha256_of(tree)
            to_disk(tree)
            tree.replace(draft / TREE)
            (draft / TREE).chmod(0o444)
            write_atomically(draft / _PROOF, json.dumps({"sha256": digest}) + "\n", 0o644)
            shutil.rmtree(self.folder / identity, ignore_errors=True)
            draft.rename(self.folder / identity)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return self.folder / identity / TREE

    def prune(self, now: float | None = None) -> None:
        """Drop what no build has used for long, and what killed ones left; only while no other build runs."""
        oldest = (now or time.time()) - KEPT_DAYS * 86400
        for entry in self.folder.iterdir():
            if entry.name.startswith(".") or ((entry / _PROOF).is_file() and entry.stat().st_mtime < oldest):
                shutil.rmtree(entry, ignore_errors=True)


class CorruptEntry(Exception):
    """A kept tree was not what had been written; it has been dropped."""
