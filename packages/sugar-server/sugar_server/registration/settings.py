# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of registration: [registration] in the settings files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sugar_server.registration.store import KnownSerial
from sugar_server.values import Keys, boolean, choice, path

KEYS: Keys = {
    "enabled": boolean,
    "known_serial": lambda value: KnownSerial(choice(*(policy.value for policy in KnownSerial))(value)),
    "who": choice("anyone", "listed"),
    "laptops": path,
}


@dataclass(frozen=True)
class RegistrationSettings:
    """Who may register, checked."""

    enabled: bool = True
    known_serial: KnownSerial = KnownSerial.ACCEPT
    listed: frozenset[str] | None = None
    """Serials (upper case) that may register; None: anyone may."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """The classes of the laptops that the school's list has, by serial (upper case)."""
