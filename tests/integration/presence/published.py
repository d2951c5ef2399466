"""What Sugar's client publishes and sends about a child and its activities."""

from __future__ import annotations

import base64
import hashlib
import itertools

from .child import ACTIVITIES, CURRENT, NICK, PROPERTIES, Child
from .wire import BUDDY

COLOUR = "#FF2B34,#005FE4"

_activities = itertools.count(1)


def buddy(colour: str) -> str:
    """A child's colour and key: base64 of the public key's text, which is base64 itself."""
    key = base64.b64encode(base64.b64encode(b"\0\0\0\7ssh-dss" + colour.encode())).decode()
    return (
        f"<properties xmlns='{BUDDY}'><property name='color' type='str'>{colour}</property>"
        f"<property name='key' type='bytes'>{key}</property></properties>"
    )


def activity() -> str:
    return hashlib.sha1(b"activity %d" % next(_activities)).hexdigest()


def room_of(identifier: str, child: Child) -> str:
    return f"{identifier}@conference.{child.boundjid.host}"


def properties(identifier: str, room: str) -> str:
    return (
        f"<properties xmlns='{PROPERTIES}' activity='{identifier}' room='{room}'>"
        f"<property name='color' type='str'>{COLOUR}</property>"
        "<property name='name' type='str'>Ñandú &amp; co</property>"
        "<property name='type' type='str'>org.laptop.AbiWordActivity</property>"
        "<property name='private' type='bool'>1</property></properties>"
    )


def payloads(child: Child, colour: str) -> dict[str, str]:
    """What a child who shares an activity publishes, by node."""
    identifier = activity()
    room = room_of(identifier, child)
    shared = f"type='{identifier}' room='{room}'"
    return {
        BUDDY: buddy(colour),
        ACTIVITIES: f"<activities xmlns='{ACTIVITIES}'><activity {shared}/></activities>",
        CURRENT: f"<activity xmlns='{CURRENT}' {shared}/>",
        PROPERTIES: f"<activities xmlns='{PROPERTIES}'>{properties(identifier, room)}</activities>",
        NICK: f"<nick xmlns='{NICK}'>María</nick>",
    }
