"""Debian's own checker of packages."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.repository.tools import LINT_TOOLS, require

_LINE = re.compile(r"(?P<level>[EWIPXC]): (?P<package>\S+): (?P<tag>\S+) ?(?P<detail>.*)")
LEVELS = {"E": "error", "W": "warning", "I": "info", "P": "pedantic", "X": "experimental", "C": "classification"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that lintian says of a package."""

    level: str
    package: str
    tag: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        """For --json."""
        return {"level": self.level, "package": self.package, "tag": self.tag, "detail": self.detail}

    def __str__(self) -> str:
        return f"{self.package}: {self.level}: {self.tag} {self.detail}".rstrip()


def lintian_argv(debs: Iterable[Path]) -> list[str]:
    """Errors and warnings of all packages, none summed up."""
    return ["lintian", "--fail-on", "none", "--tag-display-limit", "0", *(str(deb) for deb in debs)]


def lint(debs: Iterable[Path]) -> tuple[Finding, ...]:
    """What lintian says of the packages, errors and warnings, in its order."""
    require(LINT_TOOLS, "packages cannot be checked")
    result = subprocess.run(lintian_argv(debs), env=clean_environment(), capture_output=True, text=True, check=False)
    if result.returncode:
        raise DeployError(f"lintian failed: {result.stderr.strip() or result.stdout.strip()}")
    return parse(result.stdout)


def parse(text: str) -> tuple[Finding, ...]:
    """Lintian's output as data."""
    found = (_LINE.match(line) for line in text.splitlines())
    return tuple(
        Finding(LEVELS[match["level"]], match["package"], match["tag"], match["detail"]) for match in found if match
    )
