# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the activity library: [library] in the settings files."""

from __future__ import annotations

from dataclasses import dataclass

from sugar_server.values import Keys, boolean, mebibytes, path

KEYS: Keys = {"enabled": boolean, "folder": path, "aslo": boolean, "largest_mib": mebibytes}


@dataclass(frozen=True)
class LibrarySettings:
    """Which bundles are offered, and to whom."""

    enabled: bool = True
    folder: str = "/var/lib/sugar-library/activities"
    aslo: bool = False
    """Whether to answer laptops that ask activities.sugarlabs.org, where DNS leads them here."""
    largest_mib: int = 2048 * 1024 * 1024
    """Bytes that a bundle may have when it is unpacked."""
