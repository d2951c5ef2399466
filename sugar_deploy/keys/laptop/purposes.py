"""What a deployment's keys for its laptops are for."""

from __future__ import annotations

import re

from sugar_deploy.errors import UsageError

PURPOSES = {
    "lease": "a",
    "developer": "d",
    "os": "o",
    "fs": "s",
    "fw": "w",
}
"""A key's name, and the letter of its tag in a laptop's manufacturing data."""

MEANINGS = {
    "lease": "activation leases, delegations, clock resets",
    "developer": "developer keys",
    "os": "kernels and ramdisks",
    "fs": "images for secure reflashing",
    "fw": "firmware",
}
DELEGATE = "delegate-"
MOST_GENERATIONS = 9
"""A laptop has tags x0 to x9 for a purpose; x0 stands for OLPC's own key."""

_DELEGATE = re.compile(r"delegate-[a-z0-9]+(?:-[a-z0-9]+)*")


def checked_name(name: str) -> str:
    """NAME, if a key can be called so; raises UsageError."""
    if name in PURPOSES or _DELEGATE.fullmatch(name):
        return name
    raise UsageError(
        f"{name[:60]!r} is no name for a key",
        f"Use {', '.join(PURPOSES)}, or {DELEGATE}NAME for a region or a school server that leases are delegated to",
    )


def tag(name: str, generation: int) -> str:
    """The manufacturing tag for a key; a delegate's key has none: it comes with each lease."""
    return f"{PURPOSES[name]}{generation}" if name in PURPOSES else ""


def meaning(name: str) -> str:
    """What a key signs."""
    return MEANINGS.get(name, "leases of the laptops delegated to it")
