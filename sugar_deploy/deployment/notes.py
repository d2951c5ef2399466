"""What is no fault in a deployment, and yet not what somebody may expect."""

from __future__ import annotations

from collections.abc import Iterator

from sugar_deploy.deployment.administrator import keeps_backups_from_port
from sugar_deploy.deployment.model import Deployment
from sugar_deploy.deployment.rules import LAN_SERVICES

_NAMED = 5


def notes(deployment: Deployment) -> Iterator[str]:
    """Sentences for people: what, where, and what to do about it."""
    if deployment.demonstration:
        yield (
            f"{deployment.name} is a demonstration: its laptops trust keys that protect nothing. For children's "
            "laptops take `demonstration` out, and make keys: sugar-deploy keys create."
        )
    without = [
        name
        for name, school in deployment.schools.items()
        if keeps_backups_from_port(deployment, school, school.lan if LAN_SERVICES[school.scenario] else None)
    ]
    if without:
        more = f" and {len(without) - _NAMED:,} more" if len(without) > _NAMED else ""
        yield (
            "laptops in the field (OLPC OS) cannot back up at "
            f"{', '.join(without[:_NAMED])}{more}: they know only port 22, where the administrator comes in from the "
            "LAN. Describe the uplink that the administrator comes by, or have sshd listen at another port as well "
            "(overrides/sshd) and write that as server.port."
        )
