"""What apt chose before, so that unchanged wishes and indexes need no second resolution."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from sugar_deploy.files import write_atomically
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.resolver import Package
from sugar_deploy.repository.derive.seeds import Wanted

FORMAT = 2
KEPT_DAYS = 60


@dataclass(frozen=True, slots=True)
class Choices:
    """Remembered choices in a folder, one file for each question."""

    folder: Path

    def read(self, key: str) -> tuple[Package, ...] | None:
        """What was chosen, or None."""
        file = self.folder / f"{key}.json"
        try:
            rows = json.loads(file.read_text())
            return tuple(Package(*row) for row in rows)
        except (OSError, ValueError, TypeError):
            return None

    def write(self, key: str, packages: Sequence[Package]) -> None:
        """Remember, and forget what is old."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in self.folder.iterdir():
            if file.stat().st_mtime < time.time() - KEPT_DAYS * 86400:
                file.unlink()
        write_atomically(self.folder / f"{key}.json", json.dumps([astuple(one) for one in packages]) + "\n")


def question(indexes: str, architecture: str, wishes: Sequence[Wanted], own: Sequence[Deb]) -> str:
    """A hash of all that a choice depends on."""
    words = [str(FORMAT), indexes, architecture]
    words += [repr(astuple(wish)) for wish in wishes]
    words += sorted(deb.identity for deb in own)
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]
