# SPDX-License-Identifier: GPL-3.0-or-later
"""The activities and contents that are installed, as Sugar finds them."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterable
from pathlib import Path

from sugar_client.update.version import Version

_INFO = "activity/activity.info"


def folders() -> tuple[Path, ...]:
    """Where Sugar looks for activities: the child's own, then the system's (sugar3.env)."""
    own = os.environ.get("SUGAR_ACTIVITIES_PATH") or Path.home() / "Activities"
    return (Path(own), Path("/usr/share/sugar/activities"))


def library() -> Path:
    """Where contents are (sugar3.env)."""
    return Path(os.environ.get("SUGAR_LIBRARY_PATH") or Path.home() / "Library")


def installed(where: Iterable[Path]) -> dict[str, Version]:
    """The version of each activity, by bundle id: of two the higher one."""
    found: dict[str, Version] = {}
    for folder in where:
        for info in sorted(folder.glob(f"*.activity/{_INFO}")):
            parser = configparser.RawConfigParser(strict=False)
            try:
                parser.read_string(info.read_text(encoding="utf-8", errors="replace"))
                bundle_id = parser.get("Activity", "bundle_id", fallback=None) or parser.get(
                    "Activity", "service_name"
                )
                version = Version(parser.get("Activity", "activity_version", fallback="0"))
            except (OSError, ValueError, configparser.Error):
                continue  # Sugar does not show it either.
            if bundle_id:
                found[bundle_id] = max(version, found.get(bundle_id, version))
    return found
