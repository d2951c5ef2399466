"""What a project takes for federations: the authority's certificate, and that of each school's server."""

from __future__ import annotations

from sugar_deploy.certificate import domain_of, read_certificate
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.render.draft import Draft
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.variables import PresenceVariables

FOLDER = "files/federation"
_REMEDY = "Make what is missing: sugar-deploy keys federation"


def federated(plan: Plan) -> dict[str, str]:
    """The schools that are of a federation, and the XMPP domains of their servers."""
    own = ((host.name, part) for host in plan.hosts for part in host.variables if isinstance(part, PresenceVariables))
    return {name: part.domain for name, part in own if part.peers}


def copy_federation(plan: Plan, folder: Folder, draft: Draft) -> None:
    """Copy the certificates; raises UsageError where one is missing, or is for another name."""
    domains = federated(plan)
    if not domains:
        return
    if not folder.federation_authority.exists():
        raise UsageError(f"{next(iter(domains))} is of a federation, but there are no certificates for it", _REMEDY)
    draft.copy(folder.federation_authority, f"{FOLDER}/authority.crt")
    for school, domain in domains.items():
        path = folder.federation_certificate(school)
        if not path.exists() or domain_of(read_certificate(path)) != domain:
            raise UsageError(f"{school} is of a federation, but has no certificate for {domain}", _REMEDY)
        draft.copy(path, f"{FOLDER}/{school}.crt")
