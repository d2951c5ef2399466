"""What a project takes for schools that lock their laptops: public keys, delegations, leases, who is stolen."""

from __future__ import annotations

from pathlib import Path

from olpc_security.keys import PublicKey
from olpc_security.rules import Refusal

from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.render.draft import Draft
from sugar_deploy.scenario.plan import Plan

FOLDER = "files/antitheft"
BROUGHT = ("d-lease.sig", "leases.sig")
"""Files of leases/SCHOOL/ in the deployment's folder, as `sugar-deploy lease delegate` and `issue` write them."""


def copy_leases(plan: Plan, folder: Folder, draft: Draft) -> None:
    """Copy it for the schools where the service runs; raises UsageError where the deployment has no lease key."""
    schools = [host.name for host in plan.hosts if "antitheft" in host.services]
    if not schools:
        return
    # Former keys as well: laptops trust them until their tags are taken away.
    keys = [_key01(path) for path in sorted(folder.laptop_keys.glob("lease-*.public"))]
    if not keys:
        raise UsageError(
            f"services.antitheft runs at {schools[0]}, but there is no lease key in {folder.laptop_keys}",
            "Make the keys: sugar-deploy keys create; or switch the service off",
        )
    draft.text(f"{FOLDER}/lease-keys", "".join(keys))
    if folder.stolen.exists():
        draft.copy(folder.stolen, f"{FOLDER}/stolen.list")
    for school in schools:
        for name in BROUGHT:
            path = folder.leases / school / name
            if path.exists():
                draft.copy(path, f"{FOLDER}/{school}/{name}")


def _key01(path: Path) -> str:
    try:
        return PublicKey(path.read_bytes()).key01
    except Refusal as refusal:
        raise UsageError(f"{path}: {refusal.what}", "Restore it from a copy, or from the escrow") from None
