"""What a scenario offers: the one thing that each scenario's module states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EVERYWHERE = frozenset({"registration", "presence", "updates", "statistics", "ntp", "upgrades", "firewall"})
"""Services of every scenario; where they are reached from depends on whether there is a LAN."""
ON_A_LAN = frozenset({"dhcp", "dns", "backup", "pages", "antitheft"})
"""Services of every scenario with a LAN.

Backups, the teacher's pages and leases are for the school's own network. On the Internet, where anyone may register,
anyone could fill the disk with backups, and try the teacher's password.
"""

OFF_BY_DEFAULT = frozenset({"antitheft"})
"""Services that run only where the deployment file says so."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server can do in this scenario, before the deployment's services switch parts of it off."""

    lan_services: frozenset[str]
    """Services on top of EVERYWHERE that a server with a LAN runs; empty: this scenario serves no LAN."""
    follows_time: Literal["always", "with-uplink", "never"]
    """When the server follows time servers on the Internet."""
    own_clock: bool
    """Whether the LAN is given the server's own clock while nothing better is known."""

    @property
    def serves_lan(self) -> bool:
        """Whether servers of this scenario serve a LAN where one is described."""
        return bool(self.lan_services)
