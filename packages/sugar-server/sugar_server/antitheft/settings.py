# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of leases: [antitheft] in the settings files."""

from __future__ import annotations

from dataclasses import dataclass

from sugar_server.values import Keys, boolean, choice, path, whole

KEYS: Keys = {
    "enabled": boolean,
    "keys": path,
    "lease_days": whole(1, 366, "days"),
    "renew_days": whole(1, 366, "days"),
    "renew_for": choice("delegated", "registered"),
}


@dataclass(frozen=True)
class AntitheftSettings:
    """Which leases laptops get, and for how long."""

    enabled: bool = False
    keys: str = "/etc/sugar-server/lease-keys"
    """The deployment's public keys: what is imported has to rest on one of them."""
    lease_days: int = 30
    """How long a lease that this server issues is valid; none outlives its delegation."""
    renew_days: int = 15
    """A lease is replaced once it ends within so many days."""
    renew_for: str = "delegated"
    """Who may renew over HTTP: each delegated laptop, or of those only the registered."""
