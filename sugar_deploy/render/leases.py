"""What a project takes for schools that lock their laptops: public keys, delegations, leases, who is stolen."""

from __future__ import annotations

import json
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
    draft.text(f"{FOLDER}/lease-keys", "".join(_keys(folder, schools[0], is_demo=plan.deployment.demonstration)))
    if folder.stolen.exists():
        draft.copy(folder.stolen, f"{FOLDER}/stolen.list")
    for school in schools:
        for name in BROUGHT:
            path = folder.leases / school / name
            if path.exists():
                draft.copy(path, f"{FOLDER}/{school}/{name}")


def _keys(folder: Folder, school: str, *, is_demo: bool) -> list[str]:
    """The lease keys as key01 lines; raises UsageError where there is none, or one that protects nothing."""
    own = folder.demo_keys if is_demo else folder.laptop_keys
    # Former keys as well: laptops trust them until their tags are taken away.
    keys = [_key01(path) for path in sorted(own.glob("lease-*.public"))]
    if not keys:
        words = "sugar-deploy keys create --demo" if is_demo else "sugar-deploy keys create"
        raise UsageError(
            f"services.antitheft runs at {school}, but there is no lease key in {own}",
            f"Make the keys: {words}; or switch the service off",
        )
    demo = {_key01(path) for path in folder.demo_keys.glob("lease-*.public")}
    if not is_demo and (_is_marked(own) or demo.intersection(keys)):
        raise UsageError(
            f"the keys in {own} are for demonstrations and protect nothing",
            "A deployment has keys of its own: sugar-deploy keys create",
        )
    return keys


def _is_marked(keys: Path) -> bool:
    """Whether a set of keys says of itself that it is for demonstrations."""
    try:
        content = json.loads((keys / "keys.json").read_text("utf-8"))
    except FileNotFoundError:
        return False  # only public keys are on this machine
    except ValueError:
        raise UsageError(f"{keys / 'keys.json'} is damaged", "Restore it from a copy, or from the escrow") from None
    return isinstance(content, dict) and content.get("demo") is True


def _key01(path: Path) -> str:
    try:
        return PublicKey(path.read_bytes()).key01
    except Refusal as refusal:
        raise UsageError(f"{path}: {refusal.what}", "Restore it from a copy, or from the escrow") from None
