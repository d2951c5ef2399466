# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment's public keys, on which leases and delegations have to rest: a file of key01 lines, or one key."""

from __future__ import annotations

from pathlib import Path

from olpc_security.keys import PUBLIC_BYTES, PublicKey
from olpc_security.rules import Refusal
from olpc_security.trust import TrustedKeys

_REMEDY = "Put the deployment's lease-1.public there."


class NoKeys(Exception):
    """There are no keys to trust; the message says what to do."""


def read_keys(path: Path) -> TrustedKeys:
    """The keys in a file: lines `key01: HEX`, or the 270 bytes of a NAME.public. Raises NoKeys."""
    try:
        content = path.read_bytes()
        if len(content) == PUBLIC_BYTES:
            return TrustedKeys((PublicKey(content),))
        lines = content.decode("latin-1").splitlines()
        found = tuple(PublicKey.from_key01(line) for line in lines if line.strip())
    except OSError as error:
        raise NoKeys(f"{path}: cannot be read ({error.strerror}). {_REMEDY}") from None
    except Refusal as refusal:
        raise NoKeys(f"{path}: {refusal.what}. {_REMEDY}") from None
    if not found:
        raise NoKeys(f"{path}: is empty. {_REMEDY}")
    return TrustedKeys(found)
