"""Debian's security tracker, from a file: https://security-tracker.debian.org/tracker/data/json, saved beforehand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import UsageError
from sugar_deploy.repository.versions import compare

URL = "https://security-tracker.debian.org/tracker/data/json"


@dataclass(frozen=True, slots=True)
class Tracker:
    """Which vulnerabilities each version of a source package has."""

    data: dict[str, Any]

    def fixed(self, source: str, suite: str, older: str, newer: str) -> dict[str, str]:
        """The vulnerabilities that a source version later than OLDER, up to NEWER, has fixed: id → urgency."""
        found: dict[str, str] = {}
        for name, about in _table(self.data.get(source)).items():
            there = _table(_table(_table(about).get("releases")).get(suite))
            version = str(there.get("fixed_version", "0"))
            # A version of 0 means that this suite was never affected.
            if there.get("status") != "resolved" or version == "0" or not name.startswith("CVE-"):
                continue
            if compare(older, version) < 0 <= compare(newer, version):
                found[name] = str(there.get("urgency", ""))
        return dict(sorted(found.items()))


def read_tracker(path: Path) -> Tracker:
    """The tracker's data; raises UsageError for anything else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", f"It is {URL}, saved as a file") from None
    known = isinstance(data, dict) and all(
        isinstance(about, dict) and ("releases" in about or not name.startswith("CVE-"))
        for issues in list(data.values())[:50]
        for name, about in _table(issues).items()
    )
    if not known or not any(_table(issues) for issues in data.values()):
        raise UsageError(f"{path} does not hold the security tracker's data", f"It is {URL}, saved as a file")
    return Tracker(data)


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
