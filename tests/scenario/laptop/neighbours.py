"""Sugar's own Neighborhood on the school's server, while sugaroids arrive at once, leave and come back.

Debian has no telepathy-gabble any more, so Sugar's client of XMPP cannot run there. slixmpp stands for it: it logs in
to the account that Sugar would have, and tells Sugar's model what gabble would, with one `MembersChanged` for all the
items of a roster push, as gabble's process_roster does. Whom Sugar draws then is Sugar's own doing.

Runs on the laptop, in the child's session. Argument: how many sugaroids. Prints JSON.
"""

import asyncio
import json
import socket
import ssl
import sys
from pathlib import Path
from xml.etree import ElementTree

import dbus.mainloop.glib
import gi
import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

gi.require_version("Gtk", "3.0")
gi.require_version("TelepathyGLib", "0.12")
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)

from jarabe.model import neighborhood  # noqa: E402
from sugar3 import env, profile  # noqa: E402
from sugaroid.presence import Presence  # noqa: E402
from sugaroid.profile import Profile  # noqa: E402
from sugaroid.xmpp import payloads  # noqa: E402
from sugaroid.xmpp.connection import PORT  # noqa: E402

SECONDS = 30
CLIENT, ROSTER, EVENT = "{jabber:client}", "{jabber:iq:roster}", "{http://jabber.org/protocol/pubsub#event}"
BUDDY, NICK = "http://laptop.org/xmpp/buddy-properties", "http://jabber.org/protocol/nick"
ALIAS = neighborhood.CONNECTION_INTERFACE_ALIASING + "/alias"
CONTACT_ID = neighborhood.CONNECTION + "/contact-id"


class Account(neighborhood._Account):
    """Sugar's, whose connection is a slixmpp client instead of one on D-Bus."""

    def __init__(self, client):
        super().__init__("/slixmpp")
        self._connection = {
            neighborhood.CONNECTION_INTERFACE_CONTACTS: client,
            neighborhood.CONNECTION_INTERFACE_BUDDY_INFO: client,
        }

    def _start_listening(self):
        pass

    def members(self, handles):
        self._Account__members_changed_cb("", handles, [], [], [], 0, 0)

    def offline(self, handle):
        gone = (neighborhood.CONNECTION_PRESENCE_TYPE_OFFLINE, "offline", "")
        self._Account__presences_changed_cb({handle: gone})

    def properties(self, handle, properties):
        self._Account__buddy_info_updated_cb(handle, properties)

    def alias(self, handle, nick):
        self._Account__aliases_changed_cb([(handle, nick)])


class Child(slixmpp.ClientXMPP):
    """In gabble's place."""

    def __init__(self, model):
        # The account's name and password are those that Sugar gives gabble.
        super().__init__(f"{model._get_jabber_account_id()}/sugar", profile.get_profile().privkey_hash)
        # As Sugar tells gabble to (`ignore-ssl-errors`).
        self.ssl_context.check_hostname, self.ssl_context.verify_mode = False, ssl.CERT_NONE
        for plugin in ("xep_0030", "xep_0060", "xep_0115", "xep_0163"):
            self.register_plugin(plugin)
        self.jids, self.subscribed, self.nicks, self.pushes, self.asking = [], set(), {}, [], []
        self.account = Account(self)
        self.account._self_handle = self.handle(self.boundjid.bare)
        model._connect_to_account(self.account)
        for name, path, handler in (
            ("roster of Sugar", f"{CLIENT}iq/{ROSTER}query", self.hear_roster),
            ("presence of Sugar", f"{CLIENT}presence", self.hear_presence),
            ("events of Sugar", f"{CLIENT}message/{EVENT}event", self.hear_event),
        ):
            self.register_handler(Callback(name, MatchXPath(path), handler))

    def handle(self, jid):
        if jid not in self.jids:
            self.jids.append(jid)
        return self.jids.index(jid) + 1

    async def come_online(self):
        """Into an account that a sugaroid makes from Sugar's own keys."""
        maker = Presence(Profile.load(Path(env.get_profile_path())), self.boundjid.host)
        await maker.log_in(register_first=True)
        maker.drop()
        started = asyncio.get_running_loop().create_future()
        self.add_event_handler("session_start", started.set_result)
        self.add_event_handler("failed_all_auth", started.set_exception)
        # slixmpp's own resolver knows no search domain.
        self.connect((socket.gethostbyname(self.boundjid.host), PORT), use_ssl=True, disable_starttls=True)
        await asyncio.wait_for(started, SECONDS)
        self["xep_0163"].add_interest([BUDDY, NICK])
        await self["xep_0115"].update_caps(broadcast=False)
        await self.get_roster()
        self.send_presence()
        own = {"color": profile.get_color().to_string(), "key": profile.get_profile().pubkey.encode()}
        nick = f"<nick xmlns='{NICK}'>{profile.get_nick_name()}</nick>"
        for node, text in ((BUDDY, payloads.properties_element(own)), (NICK, nick)):
            await self["xep_0060"].publish(None, node, payload=ElementTree.fromstring(text))

    def hear_roster(self, stanza):
        items = stanza.xml.findall(f"{ROSTER}query/{ROSTER}item")
        if stanza["type"] == "set":
            self.pushes.append(len(items))
        seen = {item.get("jid") for item in items if item.get("subscription") in ("both", "to")}
        new = seen - self.subscribed
        gone = {item.get("jid") for item in items if item.get("subscription") == "remove"}
        self.subscribed = (self.subscribed | seen) - gone
        if new:
            self.account.members([self.handle(jid) for jid in new])

    def hear_presence(self, stanza):
        jid = stanza["from"].bare
        if stanza["type"] == "unavailable" and jid in self.subscribed:
            self.nicks.pop(jid, None)
            self.account.offline(self.handle(jid))

    def hear_event(self, stanza):
        for items in stanza.xml.iter(f"{EVENT}items"):
            for payload in (each for item in items for each in item):
                handle = self.handle(stanza["from"].bare)
                if items.get("node") == BUDDY:
                    self.account.properties(handle, payloads.read_properties(payload))
                elif items.get("node") == NICK:
                    self.nicks[stanza["from"].bare] = payload.text
                    self.account.alias(handle, payload.text)

    # What Sugar asks its connection

    def GetContactAttributes(self, handles, _interfaces, _hold, reply_handler, **_):  # noqa: N802
        jids = {handle: self.jids[handle - 1] for handle in handles}
        reply_handler({handle: {CONTACT_ID: jid, ALIAS: self.nicks.get(jid, jid)} for handle, jid in jids.items()})

    def GetProperties(self, handle, reply_handler, **_):  # noqa: N802
        self.asking.append(asyncio.ensure_future(self.ask_properties(handle, reply_handler)))

    def GetActivities(self, _handle, reply_handler, **_):  # noqa: N802
        reply_handler([])

    def GetCurrentActivity(self, _handle, reply_handler, **_):  # noqa: N802
        reply_handler("", 0)

    async def ask_properties(self, handle, reply_handler):
        try:
            answer = await self["xep_0060"].get_items(self.jids[handle - 1], BUDDY)
        except IqError:
            return  # not published yet
        for item in answer.xml.iter("{http://jabber.org/protocol/pubsub}item"):
            reply_handler(payloads.read_properties(item[0]))


async def until(condition):
    async def look():
        while not condition():
            await asyncio.sleep(0.1)

    await asyncio.wait_for(look(), SECONDS)


async def wait_for(model, sessions):
    there = {session.jid: [session.profile.nick, session.profile.color] for session in sessions}
    try:
        await until(lambda: drawn(model) == there)
    except TimeoutError:
        raise AssertionError(f"Sugar draws {drawn(model)}, not {there}") from None


def drawn(model):
    """Whom Sugar draws: the children whose keys it has."""
    return {
        buddy.contact_id: [buddy.props.nick, buddy.props.color.to_string()]
        for buddy in model.get_buddies()
        if not buddy.is_owner() and buddy.props.key is not None
    }


def knows(session, child):
    """Nick and colour of the child, where a sugaroid draws it and knows both."""
    buddy = session.neighborhood.known(child.boundjid.bare)
    shown = session.neighborhood.shows(child.boundjid.bare)
    return [buddy.nick, buddy.color] if shown and buddy.nick and buddy.color else None


async def day(count):
    model = neighborhood.get_model()
    child = Child(model)
    await child.come_online()
    crowd = [Presence(Profile.make(), child.boundjid.host) for _ in range(count)]
    said = {"pushes": child.pushes}
    try:
        await asyncio.gather(*(each.connect() for each in crowd))
        await wait_for(model, crowd)
        await until(lambda: all(knows(each, child) for each in crowd))
        said["child"] = [knows(each, child) for each in crowd]
        for number, each in enumerate(crowd[1:]):
            each.drop() if number % 2 else await each.leave()
        await wait_for(model, crowd[:1])
        await asyncio.gather(*(each.connect(register_first=False) for each in crowd[1:]))
        await wait_for(model, crowd)
    finally:
        await asyncio.gather(*(each.remove_account() for each in crowd if each.has_account))
    await wait_for(model, [])
    child.disconnect()
    return said


print(json.dumps(asyncio.run(day(int(sys.argv[1])))))
