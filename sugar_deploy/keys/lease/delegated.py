"""The delegations that a region or a school has got: by them its own key issues leases of its own laptops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from olpc_security.delegations import read_delegations, require_delegation
from olpc_security.keys import PublicKey
from olpc_security.laptop import Laptop
from olpc_security.rules import Refusal
from olpc_security.signatures import Sig02
from olpc_security.trust import TrustedKeys

from sugar_deploy.errors import UsageError

_MOST_TOLD = 5


def read_chains(
    file: Path, laptops: Sequence[Laptop], own: PublicKey, root: PublicKey, now: int
) -> dict[Laptop, Sig02]:
    """The chain of each laptop, from a d-lease.sig; raises UsageError unless each ends in OWN and holds at NOW.

    Of a chain that rests on more than one delegation the firmware could read no lease.
    """
    try:
        found = read_delegations(file.read_bytes())
    except Refusal as refusal:
        raise UsageError(f"{file}: {refusal}", "Name a file of `sugar-deploy lease delegate`") from None
    chains: dict[Laptop, Sig02] = {}
    faults = []
    for laptop in laptops:
        record = found.get(laptop)
        if record is None:
            faults.append(f"{laptop.serial}: is not delegated, or under another UUID")
            continue
        try:
            require_delegation(record, own, TrustedKeys((root,)), now)
        except Refusal as refusal:
            faults.append(f"{laptop.serial}: {refusal}")
            continue
        if len(record.chain.groups) > 1:
            faults.append(f"{laptop.serial}: rests on {len(record.chain.groups)} delegations, laptops read one")
        chains[laptop] = record.chain
    if faults:
        more = f"\n  and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
        raise UsageError(
            f"{file} does not let this key issue leases of {len(faults)} of the {len(laptops)} laptops:\n  "
            + "\n  ".join(faults[:_MOST_TOLD])
            + more,
            "Take these off the list, or ask the deployment to delegate them: sugar-deploy lease delegate",
        )
    return chains
