"""Which servers are known to trust a key of the repository."""

from __future__ import annotations

from sugar_deploy.folder import Folder
from sugar_deploy.repository.snapshots import History
from sugar_deploy.run.status import local_statuses
from sugar_deploy.scenario.plan import Plan

_DONE = frozenset({"ok", "changed"})


def schools_without(folder: Folder, plan: Plan, fingerprint: str) -> tuple[str, ...]:
    """Schools to which no completed `apply` from this machine has brought a snapshot signed by this key."""
    signed = {record.id for record in History(folder).records() if fingerprint in record.fingerprints}
    known = local_statuses(folder, plan.hosts)
    return tuple(
        sorted(
            name for name, school in known.items() if school.last_status not in _DONE or school.snapshot not in signed
        )
    )
