"""What a bundle is put together from: files, each with where it comes from, in parts that a person has a name for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.manifest import Entry
from sugar_deploy.files import sha256_of

# The optional parts, in the order in which they are left out where there is no room.
SBOM_PART = "list of ingredients (SBOM)"
RPM_PART = "RPM repository for OLPC OS"
OPTIONAL = (SBOM_PART, RPM_PART)


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """A file to write: its path in the bundle's folder, and where its bytes are."""

    path: str
    size: int
    sha256: str
    source: Path
    part: str
    """What it belongs to, for people."""

    @property
    def entry(self) -> Entry:
        """Its line in the manifest."""
        return Entry(self.path, self.size, self.sha256)


def piece(path: str, source: Path, part: str) -> Piece:
    """A file as it lies there now."""
    digest = sha256_of(source)
    return Piece(path, source.stat().st_size, digest, source, part)


def sizes(pieces: Iterable[Piece]) -> dict[str, int]:
    """Part → bytes, the largest first."""
    found: dict[str, int] = {}
    for one in pieces:
        found[one.part] = found.get(one.part, 0) + one.size
    return dict(sorted(found.items(), key=lambda item: -item[1]))
