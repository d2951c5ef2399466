"""A plain XML client: what goes over the wire is written out, so that the tests hold the server to the protocol."""

from __future__ import annotations

import base64
import hashlib
import itertools
import socket
import ssl
import time
from collections.abc import Callable
from xml.etree.ElementTree import Element, XMLPullParser

CLIENT = "{jabber:client}"
STREAM = "{http://etherx.jabber.org/streams}"
REGISTER = "{jabber:iq:register}"
ROSTER = "{jabber:iq:roster}"
STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
PUBSUB = "{http://jabber.org/protocol/pubsub}"
EVENT = "{http://jabber.org/protocol/pubsub#event}"
BUDDY = "http://laptop.org/xmpp/buddy-properties"

Match = Callable[[Element], bool]

_ids = itertools.count(1)


def account(number: int) -> tuple[str, str]:
    """Name and password as a laptop derives them from its key: two SHA-1 in hexadecimal."""
    return hashlib.sha1(b"key %d" % number).hexdigest(), hashlib.sha1(b"secret %d" % number).hexdigest()


def tls(minimum: ssl.TLSVersion | None = None, maximum: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A context that verifies nothing, as the laptops do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    return context


class Client:
    """One XMPP stream; `seen` holds all stanzas received, in their order."""

    def __init__(
        self,
        port: int,
        domain: str,
        *,
        context: ssl.SSLContext | None = None,
        source: str = "127.0.0.1",
        raw: socket.socket | None = None,
    ) -> None:
        self.domain = domain
        self.jid = ""
        self.seen: list[Element] = []
        raw = raw or socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0))
        self.socket = (context or tls()).wrap_socket(raw, server_hostname=domain)
        self.open()

    def open(self) -> None:
        """Starts a stream and waits for its features."""
        self.parser = XMLPullParser(("start", "end"))
        self.depth = 0
        self.send(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
            f"xmlns:stream='http://etherx.jabber.org/streams' to='{self.domain}'>"
        )
        self.features = self.wait(lambda stanza: stanza.tag == STREAM + "features", fresh=True)

    def send(self, xml: str) -> None:
        self.socket.sendall(xml.encode())

    def wait(self, match: Match, *, seconds: float = 5, fresh: bool = False) -> Element:
        """The first stanza that matches, of all seen or (fresh) of those to come."""
        position, deadline = (len(self.seen) if fresh else 0), time.monotonic() + seconds
        while True:
            for stanza in self.seen[position:]:
                position += 1
                if match(stanza):
                    return stanza
            self._read(deadline - time.monotonic())

    def _read(self, seconds: float) -> None:
        if seconds <= 0:
            raise TimeoutError("the stanza did not come")
        self.socket.settimeout(seconds)
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the stream")
        self.parser.feed(data)
        for event, element in self.parser.read_events():
            self.depth += 1 if event == "start" else -1
            if event == "end" and self.depth == 1:
                self.seen.append(element)

    def iq(self, kind: str, payload: str, *, to: str | None = None) -> Element:
        """Sends a request and gives its answer, a result or an error."""
        request = f"t{next(_ids)}"
        target = f" to='{to}'" if to else ""
        self.send(f"<iq type='{kind}' id='{request}'{target}>{payload}</iq>")
        return self.wait(
            lambda stanza: (
                stanza.tag == CLIENT + "iq"
                and stanza.get("id") == request
                and stanza.get("type") in ("result", "error")
            )
        )

    def settle(self) -> list[Element]:
        """All stanzas seen, after the server has answered everything sent so far."""
        assert self.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to=self.domain).get("type") == "result"
        return list(self.seen)

    def register(self, name: str, password: str) -> Element:
        return self.iq(
            "set",
            f"<query xmlns='jabber:iq:register'><username>{name}</username><password>{password}</password></query>",
        )

    def login(self, name: str, password: str, resource: str = "sugar") -> None:
        """Authenticates and binds a resource, the one that Sugar uses."""
        secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")
        answer = self.wait(lambda stanza: "xmpp-sasl" in stanza.tag)
        assert answer.tag.endswith("success"), answer.tag
        self.open()
        bind = f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind>"
        bound = self.iq("set", bind)
        self.jid = bound.findtext(".//{urn:ietf:params:xml:ns:xmpp-bind}jid") or ""
        assert self.jid.endswith(f"/{resource}")

    @property
    def bare(self) -> str:
        return self.jid.partition("/")[0]

    def close(self) -> None:
        """Ends the stream as a laptop that is shut down."""
        self.send("</stream:stream>")
        self.socket.close()


def condition(stanza: Element) -> str:
    """The defined condition of an error answer."""
    error = stanza.find(CLIENT + "error")
    assert error is not None
    return next(child.tag.removeprefix(STANZAS) for child in error if child.tag.startswith(STANZAS))
