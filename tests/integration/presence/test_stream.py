"""The streams themselves: TLS versions, what the server offers, sizes, answers without an addressee."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable
from xml.etree.ElementTree import Element

import pytest

from .conftest import RELEASES
from .laptop import Laptop
from .server import Server, installed, running
from .wire import CLIENT, PUBSUB, ROSTER, Client, account, tls

Fresh = Callable[..., Laptop]
INFO = "{http://jabber.org/protocol/disco#info}"
ITEMS = "{http://jabber.org/protocol/disco#items}"
SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"


def _handshake(port: int, name: str | None, context: ssl.SSLContext) -> str | None:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=name) as wrapped,
    ):
        return wrapped.version()


def test_the_other_release_is_what_it_is_called(server: Server, laptop: Fresh) -> None:
    said = laptop().iq("get", "<query xmlns='jabber:iq:version'/>", to=server.domain)
    version = said.findtext("{jabber:iq:version}query/{jabber:iq:version}version", "")
    assert server.command is installed or version.startswith("13."), version


@pytest.mark.parametrize("sni", [True, False])
def test_direct_tls_agrees_on_1_2_at_most(server: Server, sni: bool) -> None:
    name = server.domain if sni else None
    assert _handshake(server.tls_port, name, tls()) == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        _handshake(server.tls_port, name, tls(minimum=ssl.TLSVersion.TLSv1_3))


@pytest.mark.parametrize(
    ("version", "spoken"), [(ssl.TLSVersion.TLSv1, "TLSv1"), (ssl.TLSVersion.TLSv1_1, "TLSv1.1")]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_first_generations_of_laptops_are_served(server: Server, version: ssl.TLSVersion, spoken: str) -> None:
    assert _handshake(server.tls_port, server.domain, tls(minimum=version, maximum=version)) == spoken


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_only_the_first_laptops_speak_stays_on_the_lan(release: str) -> None:
    """A server that is on no LAN can be reached by everybody."""
    newest_of_old = tls(maximum=ssl.TLSVersion.TLSv1_1)
    with running(command=RELEASES[release], presence__networks=[]) as server:
        for name in (server.domain, f"conference.{server.domain}", None):
            with pytest.raises(ssl.SSLError):
                _handshake(server.tls_port, name, newest_of_old)
            assert _handshake(server.tls_port, name, tls()) == "TLSv1.2"
        with pytest.raises(ssl.SSLError):
            _starttls(server, newest_of_old)
        assert _starttls(server, tls()) == "TLSv1.2"
        laptop = Laptop(server.tls_port, server.domain, 1).online()
        laptop.close()


def _cipher(port: int, name: str | None, context: ssl.SSLContext) -> str:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=name) as wrapped,
    ):
        assert wrapped.session is None or not wrapped.session.has_ticket  # nobody would come back with it
        return (wrapped.cipher() or ("",))[0]


@pytest.mark.parametrize("sni", [True, False])
@pytest.mark.parametrize(
    ("known", "agreed"),
    [
        ("ALL", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("aRSA", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("kRSA+AES+SHA1", "AES256-SHA"),  # OpenSSL 0.9.8, which has no elliptic curves
    ],
)
def test_a_laptop_gets_the_certificate_that_it_knows(server: Server, sni: bool, known: str, agreed: str) -> None:
    context = tls()
    context.set_ciphers(f"{known}:@SECLEVEL=0")
    assert _cipher(server.tls_port, server.domain if sni else None, context) == agreed


@pytest.mark.parametrize(("known", "kind"), [("ECDSA", "-ecdsa"), ("RSA", "")])
def test_the_certificates_name_the_domain_and_its_rooms(server: Server, known: str, kind: str) -> None:
    context = tls()
    context.load_verify_locations(server.folder / f"{server.domain}{kind}.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = True
    context.set_ciphers(f"ECDHE+a{known}:@SECLEVEL=2")
    for name in (server.domain, f"conference.{server.domain}"):
        assert _handshake(server.tls_port, name, context) == "TLSv1.2"


def test_the_plain_port_insists_on_tls(server: Server) -> None:
    assert _starttls(server, tls()) == "TLSv1.2"


def _starttls(server: Server, context: ssl.SSLContext) -> str | None:
    """The version that the other port agrees on, which offers nothing else before."""
    with socket.create_connection(("127.0.0.1", server.plain_port), timeout=5) as plain:
        plain.sendall(
            b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
            b"xmlns:stream='http://etherx.jabber.org/streams' to='%s'>" % server.domain.encode()
        )
        seen = b""
        while b"</stream:features>" not in seen:
            seen += plain.recv(65536)
        assert b"<required/>" in seen
        assert b"PLAIN" not in seen
        plain.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        assert b"<proceed" in plain.recv(65536)
        with context.wrap_socket(plain, server_hostname=server.domain) as wrapped:
            return wrapped.version()


def test_nobody_logs_in_or_registers_in_the_clear(server: Server) -> None:
    name, password = account(990)
    secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
    header = (
        "<stream:stream xmlns='jabber:client' version='1.0' xmlns:stream='http://etherx.jabber.org/streams' "
        f"to='{server.domain}'>"
    )
    register = f"<query xmlns='jabber:iq:register'><username>{name}</username><password>{password}</password></query>"
    for attempt in (
        f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>",
        f"<iq type='set' id='1'>{register}</iq>",
    ):
        with socket.create_connection(("127.0.0.1", server.plain_port), timeout=5) as plain:
            plain.sendall(f"{header}{attempt}</stream:stream>".encode())
            answer = b"".join(iter(lambda plain=plain: plain.recv(65536), b""))
        assert b"<failure" in answer or b"type='error'" in answer, answer
        assert b"<success" not in answer
    assert not [path for path in server.stored("accounts") if name in path.name]


def test_old_laptops_find_a_mechanism_they_know(connect: Callable[[], Client]) -> None:
    offered = {mechanism.text for mechanism in connect().features.iter(SASL + "mechanism")}
    assert {"PLAIN", "SCRAM-SHA-1"} <= offered


def _identities(answer: Element) -> set[tuple[str | None, str | None]]:
    return {(each.get("category"), each.get("type")) for each in answer.iter(INFO + "identity")}


def test_pep_and_rooms_are_found_by_disco(laptop: Fresh) -> None:
    client = laptop().online()
    own = client.iq("get", f"<query xmlns='{INFO[1:-1]}'/>", to=client.bare)
    assert ("pubsub", "pep") in _identities(own)
    items = client.iq("get", f"<query xmlns='{ITEMS[1:-1]}'/>", to=client.domain)
    assert [item.get("jid") for item in items.iter(ITEMS + "item")] == [f"conference.{client.domain}"]
    rooms = client.iq("get", f"<query xmlns='{INFO[1:-1]}'/>", to=f"conference.{client.domain}")
    assert ("conference", "text") in _identities(rooms)
    assert "http://jabber.org/protocol/muc" in {f.get("var") for f in rooms.iter(INFO + "feature")}


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("get", f"<query xmlns='{ROSTER[1:-1]}'/>"),
        ("get", f"<query xmlns='{INFO[1:-1]}'/>"),
        ("get", f"<pubsub xmlns='{PUBSUB[1:-1]}'><items node='urn:none'/></pubsub>"),
        (
            "set",
            f"<pubsub xmlns='{PUBSUB[1:-1]}'><publish node='urn:x'><item><x xmlns='u:x'/></item></publish></pubsub>",
        ),
        ("get", "<vCard xmlns='vcard-temp'/>"),
        ("get", "<nonsense xmlns='urn:nonsense'/>"),
    ],
)
def test_answers_to_requests_without_to_say_from(laptop: Fresh, kind: str, payload: str) -> None:
    client = laptop().online()
    assert client.iq(kind, payload).get("from") == client.bare


def test_no_messages_are_kept_for_the_absent(laptop: Fresh, server: Server) -> None:
    absent, client = laptop(), laptop().online()
    absent.close()
    client.settle()
    client.send(f"<message to='{absent.bare}' type='chat' id='gone'><body>hello</body></message>")
    bounced = client.wait(lambda s: s.tag == CLIENT + "message" and s.get("id") == "gone")
    assert bounced.get("type") == "error"
    assert not server.stored("offline")


def test_a_stanza_beyond_the_limit_ends_the_stream(laptop: Fresh) -> None:
    client = laptop().online()
    big = "x" * (120 * 1024)
    client.send(f"<message to='{client.bare}' id='big'><body>{big}</body></message>")
    delivered = client.wait(lambda s: s.get("id") == "big")
    assert delivered.findtext(CLIENT + "body") == big
    client.send(f"<message to='{client.bare}'><body>{big * 2}</body></message>")
    with pytest.raises((ConnectionError, ssl.SSLError)):
        client.wait(lambda _: False)
