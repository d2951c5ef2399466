"""A generated binary package: its fields, files and maintainer scripts, and the identity of all that."""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field

# Raised when the same content would give other packages than before: it is part of each package's identity.
RECIPE = 1
MAINTAINER = "Sugar Deploy Developers <developers@sugar-deploy.invalid>"


@dataclass(frozen=True, slots=True)
class Package:
    """An architecture-independent package; what it holds, but not its version."""

    name: str
    summary: str
    description: tuple[str, ...]
    """Paragraphs."""
    section: str = "misc"
    depends: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    relations: Mapping[str, str] = field(default_factory=dict)
    """More fields of its control file, as Provides."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Text by path, without a slash at the start; what lies in etc/ is a conffile."""
    scripts: Mapping[str, str] = field(default_factory=dict)
    """Maintainer scripts by name, as postinst."""

    @property
    def content(self) -> str:
        """A hash of everything that makes the package, in hex digits."""
        parts = [
            RECIPE,
            MAINTAINER,
            self.name,
            self.summary,
            self.description,
            self.section,
            self.depends,
            self.recommends,
            sorted(self.relations.items()),
            sorted(self.files.items()),
            sorted(self.scripts.items()),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def conffiles(self) -> tuple[str, ...]:
        """Files that an administrator may change, as absolute paths."""
        return tuple(f"/{path}" for path in sorted(self.files) if path.startswith("etc/"))

    def control(self, version: str, installed_kib: int) -> str:
        """The text of its control file."""
        fields = {
            "Package": self.name,
            "Version": version,
            "Architecture": "all",
            "Multi-Arch": "foreign",
            "Maintainer": MAINTAINER,
            "Installed-Size": str(installed_kib),
            "Depends": ", ".join(self.depends),
            "Recommends": ", ".join(self.recommends),
            **self.relations,
            "Section": self.section,
            "Priority": "optional",
            "Description": "\n ".join([self.summary, *self._described()]),
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)

    def _described(self) -> list[str]:
        lines: list[str] = []
        for paragraph in self.description:
            lines += ["."] if lines else []
            lines += textwrap.wrap(paragraph, 78, break_long_words=False, break_on_hyphens=False)
        return lines
