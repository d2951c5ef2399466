# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces, and stanzas as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

CLIENT = "jabber:client"
STREAMS = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SESSION = "urn:ietf:params:xml:ns:xmpp-session"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
REGISTER = "jabber:iq:register"
ROSTER = "jabber:iq:roster"
PING = "urn:xmpp:ping"
DATA_FORM = "jabber:x:data"
DISCO_INFO = "http://jabber.org/protocol/disco#info"
DISCO_ITEMS = "http://jabber.org/protocol/disco#items"
CAPS = "http://jabber.org/protocol/caps"
PUBSUB = "http://jabber.org/protocol/pubsub"
PUBSUB_EVENT = "http://jabber.org/protocol/pubsub#event"
NICK = "http://jabber.org/protocol/nick"
MUC = "http://jabber.org/protocol/muc"
MUC_USER = "http://jabber.org/protocol/muc#user"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
BUDDY_PROPERTIES = "http://laptop.org/xmpp/buddy-properties"
ACTIVITIES = "http://laptop.org/xmpp/activities"
CURRENT_ACTIVITY = "http://laptop.org/xmpp/current-activity"
ACTIVITY_PROPERTIES = "http://laptop.org/xmpp/activity-properties"

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def tag(name: str, attributes: Mapping[str, str | None] | None = None, *children: str, text: str = "") -> str:
    """An element as text; attributes that are None are left out, characters that XML forbids replaced."""
    parts = [f"<{name}"]
    for key, value in (attributes or {}).items():
        if value is not None:
            parts.append(f" {key}={quoteattr(_clean(value))}")
    inner = escape(_clean(text)) + "".join(children)
    parts.append(f">{inner}</{name}>" if inner else "/>")
    return "".join(parts)


def bare(jid: str) -> str:
    """The JID without its resource."""
    return jid.split("/", 1)[0]


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
