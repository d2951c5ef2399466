"""What a project takes of the deployment's own authority, by which `apply` signs servers' certificates."""

from __future__ import annotations

from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.render.draft import Draft
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.variables import PresenceVariables

CERTIFICATE = "files/authority.crt"


def copy_authority(plan: Plan, folder: Folder, draft: Draft) -> None:
    """Copy its certificate, if there is one; raises UsageError where servers of a federation need it."""
    if folder.authority.exists():
        draft.copy(folder.authority, CERTIFICATE)
    elif federated := _federated(plan):
        raise UsageError(
            f"{federated[0]} is of a federation, whose servers know each other by certificates of the deployment's "
            "own authority, and there is none",
            "Make it: sugar-deploy keys authority",
        )


def _federated(plan: Plan) -> list[str]:
    own = ((host.name, part) for host in plan.hosts for part in host.variables if isinstance(part, PresenceVariables))
    return [name for name, part in own if part.peers]
