"""Versions of generated packages: they grow whenever the content changes, and only then.

A version is 1+TIME.HASH: when this content was generated first, in UTC, and the beginning of its hash. Both are
recorded, so that the same content is built again as the same bytes, and so that a version grows even where the
clock has gone back. Without the record, as in a fresh copy of the deployment's folder, the clock makes it grow.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.repository.configuration.package import Package

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Generated:
    """What a package was when its content was generated first; `epoch` is in seconds, `sha256` the .deb's."""

    content: str
    epoch: int
    sha256: str = ""

    @property
    def version(self) -> str:
        """A version for dpkg, later than that of any earlier epoch."""
        return f"1+{datetime.fromtimestamp(self.epoch, UTC):%Y%m%d%H%M%S}.{self.content[:8]}"


Record = dict[str, Generated]


def date(package: Package, before: Generated | None, now: int) -> Generated:
    """The package as it was generated before; if its content is new, as generated now."""
    if before and before.content == package.content:
        return before
    return Generated(package.content, max(now, before.epoch + 1) if before else now)


def read_record(path: Path) -> Record:
    """What was generated before, by package."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']!r}, not {FORMAT}")
        record = {name: Generated(**entry) for name, entry in found["packages"].items()}
        # Each must give a version, as it did when it was written.
        _ = [generated.version for generated in record.values()]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DeployError(
            f"{path} cannot be read ({error})",
            "Restore it, or remove it: then all configuration packages get new versions",
        ) from error
    return record


def write_record(path: Path, record: Record) -> None:
    """Remember what was generated; packages that are no longer generated too, in case they come back."""
    packages = {name: asdict(generated) for name, generated in sorted(record.items())}
    write_atomically(path, json.dumps({"format": FORMAT, "packages": packages}, indent=1) + "\n", 0o644)
