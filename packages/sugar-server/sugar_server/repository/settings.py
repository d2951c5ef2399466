# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the repository: [repository] in the settings files."""

from __future__ import annotations

from dataclasses import dataclass

from sugar_server.values import Keys, boolean, path

KEYS: Keys = {"enabled": boolean, "folder": path}


@dataclass(frozen=True)
class RepositorySettings:
    """Whether laptops get packages from here."""

    enabled: bool = True
    folder: str = "/var/lib/sugar-deploy/repository"
    """The published tree (dists/, pool/, yum/), or a link to it that is turned when a new state arrives."""
