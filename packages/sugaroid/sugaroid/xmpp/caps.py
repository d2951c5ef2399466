# SPDX-License-Identifier: GPL-3.0-or-later
"""What the client can do, as entity capabilities (XEP-0115): PEP sends only what `+notify` asks for."""

from __future__ import annotations

import base64
import hashlib

from sugaroid.xmpp import names
from sugaroid.xmpp.names import tag

NODE = "https://sugarlabs.org/sugaroid"
IDENTITY = ("client", "pc", "", "sugaroid")
FEATURES = tuple(
    sorted(
        (
            names.DISCO_INFO,
            names.CAPS,
            names.MUC,
            names.PING,
            *(
                f"{node}+notify"
                for node in (
                    names.BUDDY_PROPERTIES,
                    names.ACTIVITIES,
                    names.CURRENT_ACTIVITY,
                    names.ACTIVITY_PROPERTIES,
                    names.NICK,
                )
            ),
        )
    )
)


def version(identity: tuple[str, str, str, str] = IDENTITY, features: tuple[str, ...] = FEATURES) -> str:
    """The verification string of XEP-0115, section 5.1, for one identity and no forms."""
    text = "".join(f"{part}<" for part in ("/".join(identity), *sorted(features)))
    return base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()  # noqa: S324 - the XEP's rule


_ELEMENT = tag("c", {"xmlns": names.CAPS, "hash": "sha-1", "node": NODE, "ver": version()})
_CONTENT = tag("identity", {"category": "client", "type": "pc", "name": IDENTITY[3]}) + "".join(
    tag("feature", {"var": feature}) for feature in FEATURES
)


def element() -> str:
    """The caps of every presence."""
    return _ELEMENT


def info(node: str | None) -> str:
    """The answer to disco#info, for the node that was asked about."""
    return tag("query", {"xmlns": names.DISCO_INFO, "node": node}, _CONTENT)
