# SPDX-License-Identifier: GPL-3.0-or-later
"""All rooms' databases: the file's name, and the statements that make its tables."""

from __future__ import annotations

from collections.abc import Mapping

from sugar_server.antitheft import store as antitheft
from sugar_server.database import Steps
from sugar_server.registration import tables as registration
from sugar_server.statistics import store as statistics

ROOMS: Mapping[str, Steps] = {
    registration.NAME: registration.STEPS,
    statistics.NAME: statistics.STEPS,
    antitheft.NAME: antitheft.STEPS,
}
