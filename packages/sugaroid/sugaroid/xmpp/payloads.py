# SPDX-License-Identifier: GPL-3.0-or-later
"""What Sugar puts into PEP nodes and messages: typed properties and lists of activities."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Union
from xml.etree.ElementTree import Element

from sugaroid.xmpp.names import ACTIVITIES, ACTIVITY_PROPERTIES, BUDDY_PROPERTIES, CURRENT_ACTIVITY, tag

Value = Union[str, bytes, bool, int]
Properties = Mapping[str, Value]

_INTEGER = re.compile(r"-?[0-9]{1,10}")


@dataclass(frozen=True)
class ActivityReference:
    """An activity's id (40 hex digits) and its room."""

    id: str
    room: str


def properties_element(properties: Properties, namespace: str = BUDDY_PROPERTIES, **attributes: str) -> str:
    """<properties> with one <property> each."""
    children = []
    for name, value in properties.items():
        kind, text = _encode(value)
        children.append(tag("property", {"name": name, "type": kind}, text=text))
    return tag("properties", {"xmlns": namespace, **attributes}, *children)


def read_properties(element: Element) -> dict[str, Value]:
    """The properties in a <properties>; what cannot be read is left out."""
    found: dict[str, Value] = {}
    for child in element:
        name, kind = child.get("name"), child.get("type", "str")
        if name is not None and child.tag.endswith("}property"):
            value = _decode(kind, child.text or "")
            if value is not None:
                found[name] = value
    return found


def activities_element(activities: Iterable[ActivityReference]) -> str:
    """The payload of the node `activities`."""
    children = (tag("activity", {"type": activity.id, "room": activity.room}) for activity in activities)
    return tag("activities", {"xmlns": ACTIVITIES}, *children)


def read_activities(element: Element) -> tuple[ActivityReference, ...]:
    """The activities in an <activities>."""
    references = (read_activity(child) for child in element)
    return tuple(reference for reference in references if reference is not None)


def current_activity_element(activity: ActivityReference | None) -> str:
    """The payload of the node `current-activity`; both attributes are empty if there is none."""
    return tag(
        "activity",
        {
            "xmlns": CURRENT_ACTIVITY,
            "type": activity.id if activity else "",
            "room": activity.room if activity else "",
        },
    )


def read_activity(element: Element) -> ActivityReference | None:
    """The activity that an <activity> names, if it names one."""
    identifier, room = element.get("type"), element.get("room")
    return ActivityReference(identifier, room) if identifier and room else None


def activity_properties_element(activity: ActivityReference, properties: Properties) -> str:
    """One activity's properties, as PEP's list and messages hold it."""
    return properties_element(properties, ACTIVITY_PROPERTIES, activity=activity.id, room=activity.room)


def _encode(value: Value) -> tuple[str, str]:
    if isinstance(value, bool):
        return "bool", "1" if value else "0"
    if isinstance(value, int):
        return "int", str(value)
    if isinstance(value, bytes):
        return "bytes", base64.b64encode(value).decode()
    return "str", value


# The same few thousand keys and colours arrive again and again in a crowd: kept once, decoded once.
@functools.lru_cache(maxsize=8192)
def _decode(kind: str, text: str) -> Value | None:
    if kind == "str":
        return text
    if kind == "bytes":
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            return None
    if kind == "bool":
        return {"1": True, "true": True, "0": False, "false": False}.get(text)
    if kind in ("int", "uint"):
        return int(text) if _INTEGER.fullmatch(text) else None
    return None
