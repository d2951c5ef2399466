"""Two schools whose servers know each other, and others who would like to: with real certificates and servers."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.sugar.deploy.plugins.filter.certified import certified

from sugar_deploy.folder import Folder
from sugar_deploy.keys.authority import Authority, utc_now
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.run.verify import pem_content
from tests.loopback import free_port

from .laptop import Laptop
from .link import Link
from .server import PACKAGE, Server, running
from .wire import BUDDY, CLIENT, tls

RED, BLUE, GREEN = "#FF0000,#000000", "#0000FF,#000000", "#00FF00,#000000"
LIMA, CUSCO, STRANGER = "lima.example", "cusco.example", "stranger.example"
HERE, GONE = ["roster both", "available"], ["unavailable", "roster remove"]
SECONDS = 40
SUGAROID = Path(__file__).parents[3] / "packages" / "sugaroid"

_numbers = itertools.count(2_000_000)


class Deployer:
    """Who has a deployment's authority."""

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root)
        environment = {"HOME": str(root), "XDG_CONFIG_HOME": str(root / "config")}
        self.secrets = Secrets(self.folder, "andes", environment=environment)
        Authority(self.folder, self.secrets, "andes", utc_now()).make()

    def certify(self, domain: str, folder: Path) -> None:
        """As the role does: the server makes keys, the deployer signs for one of them."""
        subprocess.run([PACKAGE / "bin" / "certificate", domain, folder], check=True)
        authority, present = self.folder.authority.read_text(), folder / f"{domain}-ecdsa.crt"
        present.write_text(certified(present.read_text(), authority, self.secrets.authority_key(), domain))
        (folder / "authority.crt").write_text(authority)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Deployer:
    return Deployer(tmp_path_factory.mktemp("ours"))


@contextlib.contextmanager
def school(domain: str, own: str, port: int, peers: dict[str, str], given: Deployer) -> Iterator[Server]:
    """A school's server at its own loopback address; the peers' are where it believes them to be."""
    more = (
        f's2s_ports = {{ {port} }}\ns2s_interfaces = {{ "{own}" }}\nsugar_federation_port = {port}\n'
        "sugar_federation_seconds = 1\nsugar_federation_patience_seconds = 5\n"
    )
    variables = {"presence__peers": [{"domain": name, "address": address} for name, address in peers.items()]}
    with running(more, domain=domain, furnish=lambda folder: given.certify(domain, folder), **variables) as server:
        yield server


@dataclass
class Schools:
    """Two of one federation, and the lines by which they reach each other."""

    lima: Server
    cusco: Server
    port: int
    links: tuple[Link, Link]


@pytest.fixture(scope="module")
def schools(ours: Deployer) -> Iterator[Schools]:
    port = free_port()
    with (
        Link("127.0.1.11", "127.0.1.1", port) as to_lima,
        Link("127.0.1.12", "127.0.1.2", port) as to_cusco,
        school(LIMA, "127.0.1.1", port, {CUSCO: "127.0.1.12"}, ours) as lima,
        school(CUSCO, "127.0.1.2", port, {LIMA: "127.0.1.11"}, ours) as cusco,
    ):
        yield Schools(lima, cusco, port, (to_lima, to_cusco))


@pytest.fixture
def child() -> Iterator[Callable[..., Laptop]]:
    laptops: list[Laptop] = []

    def new(server: Server, number: int | None = None, colour: str = RED) -> Laptop:
        laptops.append(Laptop(server.tls_port, server.domain, number or next(_numbers)).online())
        laptops[-1].publish(colour)
        return laptops[-1]

    yield new
    for each in laptops:
        each.socket.close()


def until(condition: Callable[[], object], what: Callable[[], object]) -> None:
    """Waits for a condition, else says WHAT there is instead."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def sees(one: Laptop, other: Laptop, story: list[str], colours: list[str] | None = None) -> None:
    """The whole story of another child, each line once, and its colours."""
    until(lambda: len(one.story_of(other)) >= len(story), lambda: one.story_of(other))
    if colours is not None:
        until(lambda: len(one.colours_of(other)) >= len(colours), lambda: one.colours_of(other))
        assert one.colours_of(other) == colours
    assert one.story_of(other) == story


def test_children_of_both_schools_see_each_other(schools: Schools, child: Callable[..., Laptop]) -> None:
    ana, ben = child(schools.lima), child(schools.lima, colour=GREEN)
    eva, ivo = child(schools.cusco, colour=BLUE), child(schools.cusco, colour=GREEN)
    everybody = {ana: RED, ben: GREEN, eva: BLUE, ivo: GREEN}
    for one, other in itertools.permutations(everybody, 2):
        sees(one, other, HERE, [everybody[other]])
    late = child(schools.cusco)
    sees(ana, late, HERE, [RED])
    sees(late, ana, HERE, [RED])
    late.close()
    sees(ana, late, HERE + GONE)
    roster = ana.iq("get", "<query xmlns='jabber:iq:roster'/>")
    assert {item.get("jid") for item in roster.iter("{jabber:iq:roster}item")} == {ben.bare, eva.bare, ivo.bare}


def test_what_children_ask_and_say_crosses(schools: Schools, child: Callable[..., Laptop]) -> None:
    """The buddy's properties, an invitation, and a room of the other school."""
    ana, eva = child(schools.lima), child(schools.cusco, colour=BLUE)
    sees(eva, ana, HERE, [RED])
    sees(ana, eva, HERE, [BLUE])
    query = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{BUDDY}'/></pubsub>"
    asked = eva.iq("get", query, to=ana.bare)
    assert [p.text for p in asked.iter(f"{{{BUDDY}}}property")] == [RED]
    room = f"writing@conference.{LIMA}"
    for one in (ana, eva):
        one.send(f"<presence to='{room}/{one.name[:8]}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    inside = f"{room}/{eva.name[:8]}"
    ana.wait(lambda s: s.tag == CLIENT + "presence" and s.get("from") == inside, seconds=SECONDS)
    eva.send(f"<message type='groupchat' to='{room}'><body>¡Hola!</body></message>")
    ana.wait(lambda s: s.get("from") == inside and s.findtext(CLIENT + "body") == "¡Hola!", seconds=SECONDS)
    ana.send(f"<message to='{eva.jid}'><body>ven</body></message>")
    eva.wait(lambda s: s.get("from") == ana.jid and s.findtext(CLIENT + "body") == "ven", seconds=SECONDS)


def test_a_line_that_falls_silent_and_comes_back(schools: Schools, child: Callable[..., Laptop]) -> None:
    ana, eva, leaver = child(schools.lima), child(schools.cusco, colour=BLUE), child(schools.cusco)
    sees(ana, eva, HERE, [BLUE])
    sees(eva, ana, HERE, [RED])
    sees(ana, leaver, HERE, [RED])
    for link in schools.links:
        link.clear.clear()
    sees(ana, eva, HERE + GONE)
    sees(eva, ana, HERE + GONE)
    leaver.close()
    comer = child(schools.cusco, colour=GREEN)
    for link in schools.links:
        link.cut()
        link.clear.set()
    sees(ana, eva, HERE + GONE + HERE)
    sees(eva, ana, HERE + GONE + HERE)
    sees(ana, comer, HERE, [GREEN])
    sees(ana, leaver, HERE + GONE)


def test_a_connection_that_is_reset_leaves_nothing_wrong(schools: Schools, child: Callable[..., Laptop]) -> None:
    ana, eva = child(schools.lima), child(schools.cusco, colour=BLUE)
    sees(ana, eva, HERE, [BLUE])
    for link in schools.links:
        link.cut()
    eva.publish(GREEN)
    comer = child(schools.cusco)
    until(lambda: ana.colours_of(eva)[-1:] == [GREEN], lambda: ana.colours_of(eva))
    until(lambda: ana.story_of(comer)[-2:] == HERE, lambda: ana.story_of(comer))
    until(lambda: ana.story_of(eva)[-2:] == HERE, lambda: ana.story_of(eva))


def test_a_server_that_dies_takes_its_children_along(schools: Schools, child: Callable[..., Laptop]) -> None:
    ana, eva = child(schools.lima), child(schools.cusco, 3_000_001)
    sees(ana, eva, HERE, [RED])
    schools.cusco.kill()
    sees(ana, eva, HERE + GONE)
    schools.cusco.start()
    again = child(schools.cusco, 3_000_001)
    until(lambda: ana.story_of(again)[-2:] == HERE, lambda: ana.story_of(again))
    sees(again, ana, HERE, [RED])


def test_reloading_the_module_loses_nobody(schools: Schools, child: Callable[..., Laptop]) -> None:
    ana, eva = child(schools.lima), child(schools.cusco, colour=BLUE)
    sees(ana, eva, HERE, [BLUE])
    schools.lima.shell(f'module:reload("sugar_roster", "{LIMA}")')
    late = child(schools.lima)
    sees(late, eva, HERE, [BLUE])
    eva.close()
    sees(ana, eva, HERE + GONE)
    sees(late, eva, HERE + GONE)


def test_a_laptop_proves_who_the_server_is_and_that_the_other_school_is_reached(
    schools: Schools, ours: Deployer
) -> None:
    argv = [
        *(sys.executable, "-m", "sugaroid", "check", "--json", "--server", LIMA, "--address", "127.0.0.1"),
        *("--presence-port", str(schools.lima.tls_port), "--expect", "presence", "--fellows", f"{CUSCO},{STRANGER}"),
        *("--authority", pem_content(ours.folder.authority)),
    ]
    done = subprocess.run(argv, cwd=SUGAROID, check=False, capture_output=True, text=True, timeout=180)
    checks = {check["check"]: check["ok"] for check in json.loads(done.stdout)["checks"]}
    assert checks.pop(f"{STRANGER} is reached") is False
    assert {f"{CUSCO} is reached", "the server proves who it is"} <= checks.keys()
    assert all(checks.values()), done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("name", [LIMA, f"conference.{LIMA}", CUSCO])
def test_openssl_finds_the_certificate_of_the_authority_for_the_server_s_own_names(
    name: str, schools: Schools, ours: Deployer
) -> None:
    """By either way to TLS."""
    start = ["-starttls", "xmpp", "-xmpphost", LIMA]
    for port, more in ((schools.lima.tls_port, []), (schools.lima.plain_port, start)):
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *more, "-tls1_2", "-cipher", "ECDHE+ECDSA"]
        argv += ["-CAfile", str(ours.folder.authority), "-verify_return_error", "-verify_hostname", name]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode == 0) == (name != CUSCO), done.stdout + done.stderr


def test_prosody_finds_nothing_wrong_with_a_federation(schools: Schools) -> None:
    argv = ["prosodyctl", "--config", str(schools.lima.config), "check", "config"]
    found = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert "All checks passed" in found.stdout


# Those who are refused


def _error_of(laptop: Laptop, domain: str) -> list[str]:
    answer = laptop.iq("get", "<query xmlns='jabber:iq:version'/>", to=domain)
    return [child.tag.partition("}")[2] for error in answer.iter(CLIENT + "error") for child in error]


def test_nothing_goes_to_a_school_that_is_not_named(schools: Schools, child: Callable[..., Laptop]) -> None:
    assert _error_of(child(schools.lima), STRANGER)[0] == "not-allowed"
    assert _error_of(child(schools.lima), f"conference.{STRANGER}")[0] == "not-allowed"


def test_without_a_federation_there_is_no_way_out_nor_in(server: Server, child: Callable[..., Laptop]) -> None:
    assert _error_of(child(server), CUSCO)[0] in ("not-allowed", "remote-server-not-found")
    assert "s2s" not in server.shell("module:list()")


def test_a_server_of_another_authority_is_nobody(
    ours: Deployer, tmp_path: Path, child: Callable[..., Laptop]
) -> None:
    """It has our school's name and address, but not its certificate."""
    port = free_port()
    theirs = Deployer(tmp_path)
    with (
        school(LIMA, "127.0.2.1", port, {CUSCO: "127.0.2.2"}, ours) as lima,
        school(CUSCO, "127.0.2.2", port, {LIMA: "127.0.2.1"}, theirs) as impostor,
    ):
        ana, eve = child(lima), child(impostor)
        for server in (lima, impostor):
            until(lambda server=server: "not trusted" in _log(server), lambda server=server: _log(server))
        assert _error_of(ana, CUSCO)
        assert ana.story_of(eve) == eve.story_of(ana) == []
        assert "s2s connection lima.example->cusco.example complete" not in _log(lima)


def test_a_school_of_the_deployment_that_is_not_named_is_refused(
    schools: Schools, ours: Deployer, child: Callable[..., Laptop]
) -> None:
    with school(STRANGER, "127.0.1.3", schools.port, {LIMA: "127.0.1.1"}, ours) as stranger:
        ana, eve = child(schools.lima), child(stranger)
        until(lambda: "This server knows no such school" in _log(stranger), lambda: _log(stranger))
        assert ana.story_of(eve) == eve.story_of(ana) == []


def test_who_shows_no_certificate_is_refused(schools: Schools) -> None:
    header = (
        "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
        f"from='{CUSCO}' to='{LIMA}' version='1.0'>"
    ).encode()
    with socket.create_connection(("127.0.1.1", schools.port), timeout=SECONDS) as raw:
        raw.sendall(header)
        offered = _read_until(raw, b"</stream:features>")
        assert b"starttls" in offered and b"EXTERNAL" not in offered and b"dialback" not in offered
        raw.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        _read_until(raw, b"proceed")
        with tls(minimum=ssl.TLSVersion.TLSv1_2).wrap_socket(raw, server_hostname=LIMA) as secure:
            secure.sendall(header)
            answer = _read_until(secure, b"</stream:stream>")
    assert b"not-authorized" in answer and b"EXTERNAL" not in answer


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data and (more := connection.recv(65536)):
        data += more
    assert end in data, data
    return data


def _log(server: Server) -> str:
    return (server.folder / "log").read_text()
