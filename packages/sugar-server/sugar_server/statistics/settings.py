# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of usage statistics: [statistics] in the settings files."""

from __future__ import annotations

from dataclasses import dataclass

from sugar_server.values import Keys, boolean, whole

KEYS: Keys = {
    "enabled": boolean,
    "step_seconds": whole(60, 86400, "seconds"),
    "keep_days": whole(1, 36500, "days"),
}


@dataclass(frozen=True)
class StatisticsSettings:
    """Whether laptops are asked for statistics, how finely, and how long the school's sums are kept."""

    enabled: bool = True
    step_seconds: int = 86400
    keep_days: int = 1100
