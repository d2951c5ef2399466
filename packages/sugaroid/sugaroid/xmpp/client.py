# SPDX-License-Identifier: GPL-3.0-or-later
"""A logged-in connection: questions get answers, PEP is published and read; the rest goes to `handle`."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element

from sugaroid.errors import AccountExists, PresenceError
from sugaroid.xmpp import caps, names
from sugaroid.xmpp.connection import ANSWER_SECONDS, Connection
from sugaroid.xmpp.names import bare, tag
from sugaroid.xmpp.register import error_condition, register
from sugaroid.xmpp.sasl import authenticate
from sugaroid.xmpp.stream import StreamParser

IQ = f"{{{names.CLIENT}}}iq"


class Client:
    """One account's connection. Subclasses take what comes unasked: roster pushes, presences, messages."""

    patience = ANSWER_SECONDS
    """How many seconds the server may take for an answer."""

    def __init__(self, user: str, password: str, server: str, address: str, port: int, resource: str) -> None:
        self.server = server
        self.jid = f"{user}@{server}"
        self.full_jid = ""
        self.has_account = False
        """Whether the server is known to keep an account for us."""
        self.conflict = False
        """Whether in-band registration found the account there already."""
        self.nameless_replies = 0
        """Answers without `from` to requests without `to`, which confuse Sugar's client."""
        self._user, self._password, self._resource = user, password, resource
        self._address, self._port = address, port
        self._connection: Connection | None = None
        self._answers: dict[str, asyncio.Future[Element]] = {}
        self._counter = 0

    @property
    def lost(self) -> PresenceError | None:
        """Why the connection has ended, if it has."""
        return self._connection.lost if self._connection is not None else None

    async def log_in(self, *, register_first: bool) -> None:
        """Connect, make the account if wanted, log in. As Sugar: on `conflict` it starts over and only logs in."""
        try:
            await self._log_in(register_first)
        except AccountExists:
            self.conflict = True
            self.drop()
            await self._log_in(False)

    async def close(self, seconds: float = 3.0) -> None:
        """End the stream and the connection."""
        if self._connection is not None:
            await self._connection.close(seconds)

    def drop(self) -> None:
        """Fall off the air: no goodbye, the connection just ends."""
        if self._connection is not None:
            self._connection.drop()

    def send(self, text: str) -> None:
        """Send one stanza."""
        if self._connection is not None:
            self._connection.send(text)

    async def iq(self, kind: str, payload: str, to: str | None = None, seconds: float | None = None) -> Element:
        """The answer to a request; an error answer raises PresenceError with its condition."""
        stanza = await self._answer(kind, payload, to, seconds or self.patience)
        sender = stanza.get("from")
        if to is None and sender is None:
            self.nameless_replies += 1
        if stanza.get("type") == "error":
            condition = error_condition(stanza)
            raise PresenceError(f"{to or self.server} answered: {condition}", condition)
        return stanza

    async def ask_for_roster(self) -> None:
        """Ask for the roster, which `handle_roster` is told, as all pushes from then on."""
        await self.iq("get", tag("query", {"xmlns": names.ROSTER}))

    async def publish(self, node: str, payload: str) -> None:
        """Publish the one item of a PEP node."""
        item = tag("publish", {"node": node}, tag("item", {"id": "current"}, payload))
        await self.iq("set", tag("pubsub", {"xmlns": names.PUBSUB}, item))

    async def items(self, jid: str, node: str) -> list[Element]:
        """The payloads that a user's PEP node holds."""
        query = tag("pubsub", {"xmlns": names.PUBSUB}, tag("items", {"node": node}))
        answer = await self.iq("get", query, to=bare(jid))
        found = answer.iterfind(f"{{{names.PUBSUB}}}pubsub/{{{names.PUBSUB}}}items/{{{names.PUBSUB}}}item")
        return [item[0] for item in found if len(item)]

    async def identities(self, jid: str, feature: str | None = None) -> set[tuple[str | None, str | None]]:
        """Category and type by disco#info; none of what lacks the wanted feature or answers an error."""
        try:
            info = await self.iq("get", tag("query", {"xmlns": names.DISCO_INFO}), to=jid)
        except PresenceError as error:
            if not error.condition or self.lost is not None:
                raise
            return set()
        query = f"{{{names.DISCO_INFO}}}query/{{{names.DISCO_INFO}}}"
        if feature is not None and feature not in {found.get("var") for found in info.iterfind(f"{query}feature")}:
            return set()
        return {(found.get("category"), found.get("type")) for found in info.iterfind(f"{query}identity")}

    async def conference_service(self) -> str | None:
        """Where rooms are: the first conference service among the domain's items."""
        items = await self.iq("get", tag("query", {"xmlns": names.DISCO_ITEMS}), to=self.server)
        for item in items.iterfind(f"{{{names.DISCO_ITEMS}}}query/{{{names.DISCO_ITEMS}}}item"):
            jid = item.get("jid")
            if jid is not None and ("conference", "text") in await self.identities(jid, names.MUC):
                return jid
        return None

    # What subclasses take

    def make_parser(self) -> StreamParser:
        """What reads the stream once we are logged in."""
        return StreamParser()

    def handle(self, stanza: Element) -> None:
        """A presence or message."""

    def handle_roster(self, stanza: Element) -> None:
        """The roster of our own server, or a push: in the stream's order, before what came behind it."""

    def handle_lost(self, error: PresenceError) -> None:
        """The connection has ended."""

    # Steps

    async def _log_in(self, register_first: bool) -> None:
        connection = self._connection = await Connection.open(self._address, self._port, self.server, self.patience)
        features = await connection.start_stream(self.server)
        if register_first:
            await register(connection, self._user, self._password)
            self.has_account = True
        offered = {child.text or "" for child in features.iterfind(f"{{{names.SASL}}}mechanisms/*")}
        await authenticate(self._user, self._password, offered, connection.ask)
        self.has_account = True
        features = await connection.start_stream(self.server, self.make_parser())
        connection.deliver_to(self._received, self._connection_lost)
        bind = tag("bind", {"xmlns": names.BIND}, tag("resource", text=self._resource))
        bound = await self._answer("set", bind, None, self.patience)
        if bound.get("type") != "result":
            raise PresenceError(f"the server binds no resource: {error_condition(bound)}", error_condition(bound))
        self.full_jid = bound.findtext(f"{{{names.BIND}}}bind/{{{names.BIND}}}jid") or f"{self.jid}/{self._resource}"
        session = features.find(f"{{{names.SESSION}}}session")
        if session is not None and not any(child.tag.endswith("}optional") for child in session):
            await self.iq("set", tag("session", {"xmlns": names.SESSION}), to=self.server)

    async def _answer(self, kind: str, payload: str, to: str | None, seconds: float) -> Element:
        if self._connection is None or self.lost is not None:
            raise self.lost or PresenceError("not connected")
        self._counter += 1
        identifier = f"q{self._counter}"
        answer = self._answers[identifier] = asyncio.get_running_loop().create_future()
        self.send(tag("iq", {"type": kind, "id": identifier, "to": to}, payload))
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            while True:
                left = deadline - asyncio.get_running_loop().time()
                stanza: Element = await asyncio.wait_for(answer, left)
                if self._may_answer(stanza.get("from"), to):
                    return stanza
                # Somebody else's guess of our identifier: the true answer is still to come.
                answer = self._answers[identifier] = asyncio.get_running_loop().create_future()
        except asyncio.TimeoutError:
            raise PresenceError(f"{to or self.server} did not answer within {seconds:g} s") from None
        finally:
            self._answers.pop(identifier, None)

    def _may_answer(self, sender: str | None, to: str | None) -> bool:
        if sender is None:
            return to in (None, self.server, self.jid)
        if to is None or to == self.jid:
            return sender in (self.jid, self.full_jid, self.server)
        return sender == to

    def _received(self, stanza: Element) -> None:
        if stanza.tag == IQ:
            self._iq(stanza)
        else:
            self.handle(stanza)

    def _iq(self, stanza: Element) -> None:
        kind, identifier, sender = stanza.get("type"), stanza.get("id"), stanza.get("from")
        reply = {"type": "result", "id": identifier, "to": sender}
        query = stanza.find(f"{{{names.DISCO_INFO}}}query")
        # Nobody but the own account may say or change what the roster is (RFC 6121, section 2.1.6).
        is_roster = stanza.find(f"{{{names.ROSTER}}}query") is not None and self._may_answer(sender, None)
        if kind in ("result", "error"):
            answer = self._answers.get(identifier or "")
            if answer is not None and not answer.done():
                if is_roster:
                    self.handle_roster(stanza)
                answer.set_result(stanza)
        elif kind == "set" and is_roster:
            self.send(tag("iq", reply))
            self.handle_roster(stanza)
        elif kind == "get" and query is not None:
            self.send(tag("iq", reply, caps.info(query.get("node"))))
        elif kind == "get" and stanza.find(f"{{{names.PING}}}ping") is not None:
            self.send(tag("iq", reply))
        elif kind in ("get", "set"):
            unknown = tag("error", {"type": "cancel"}, tag("service-unavailable", {"xmlns": names.STANZAS}))
            self.send(tag("iq", {**reply, "type": "error"}, unknown))

    def _connection_lost(self, error: PresenceError) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(error)
        self.handle_lost(error)
