"""A plain Debian with Sugar and no Ansible: the metapackage alone makes it a laptop of its deployment."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.repository.lint import lint
from tests.integration.repository.configuration_laptop import Laptop, Site, make_laptop, site

DEPLOYMENT = """\
version: 1
name: andes
title: Escuelas de los Andes
domain: escuelas.example.org
repository: {url: URL}
schools:
  encuentro:
    scenario: online-peers
    role: master
    server: {address: 192.0.2.9, fqdn: sugar.example.org}
  cusco:
    scenario: offline-server
    server: {address: 192.0.2.11}
    lan: {interface: enp2s0, address: 172.18.96.1/19}
  puno:
    scenario: offline-server
    server: {address: 192.0.2.12}
    lan: {interface: enp2s0, address: 172.18.96.1/19}
"""
# Sugar's own code registers with a school that answers as one does, in a network of its own.
REGISTER = """
import json, threading
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer
from gi.repository import Gio
asked = []
class Handler(SimpleXMLRPCRequestHandler):
    def do_POST(self):
        asked.append(self.headers["Host"])
        super().do_POST()
def register(serial, nick, uuid, key):
    asked.append([nick, key])
    return {"success": "OK", "jabberserver": "cusco.escuelas.example.org", "backupurl": "A1@cusco:backup"}
server = SimpleXMLRPCServer(("127.0.0.1", 8080), Handler, logRequests=False)
server.register_function(register)
threading.Thread(target=server.serve_forever, daemon=True).start()
Gio.Settings.new("org.sugarlabs.user").set_string("nick", "Ana")
from jarabe.desktop import schoolserver
schoolserver.register_laptop()
Gio.Settings.sync()
print(json.dumps(asked))
"""
COLLABORATION = ("org.sugarlabs.collaboration", "jabber-server")
UPDATES = ("org.sugarlabs.update", "microformat-update-url")


@pytest.fixture(scope="module")
def andes(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The deployment, published, with a certificate of its own."""
    with site(tmp_path_factory.mktemp("site") / "andes") as made:
        made.folder.certificates.mkdir()
        new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Ministerio", "-days", "9999"]
        files = ["-keyout", "/dev/null", "-out", str(made.folder.certificates / "ministerio.crt")]
        subprocess.run(new + files, check=True, capture_output=True)
        yield made


# On bookworm the same packages are in the scenarios' laptop and in the composed image.
@pytest.fixture(scope="module", params=["trixie"])
def laptop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    root = tmp_path_factory.mktemp("laptop") / "root"
    yield make_laptop(root, request.param)
    shutil.rmtree(root)


def _deb(debs: tuple[Path, ...], name: str) -> Path:
    return next(deb for deb in debs if deb.name.startswith(f"{name}_"))


def test_lintian_has_nothing_to_say(andes: Site) -> None:
    assert [str(finding) for finding in lint(andes.publish(DEPLOYMENT))] == []


def test_a_laptop_from_its_first_package_to_its_last(laptop: Laptop, andes: Site) -> None:
    debs = andes.publish(DEPLOYMENT)
    debian = laptop.sources()
    assert laptop.setting("ana", *COLLABORATION) == "''"
    before = laptop.traces("andes")
    assert before == []

    laptop.install_file(_deb(debs, "andes-repository"))
    _is_attached_and_trusted(laptop, andes, debian)
    laptop.apt("update")
    laptop.apt("install", "andes-offline-server-client")
    _is_preset(laptop)
    _registers(laptop)
    _can_be_a_server_as_well(laptop)
    _keeps_what_was_chosen(laptop)
    _moves_to_another_scenario(laptop)
    _upgrades(laptop, andes)
    _yields_to_other_sources(laptop, andes, _deb(debs, "andes-repository"))

    laptop.apt("purge", *laptop.installed("andes-*"))
    assert laptop.traces("andes") == []
    assert laptop.sources() == debian
    assert laptop.setting("luis", *COLLABORATION) == "''"
    assert "Ministerio" not in _trusted(laptop)


def _is_attached_and_trusted(laptop: Laptop, andes: Site, debian: list[str]) -> None:
    assert laptop.sources() == sorted([*debian, f"{andes.url}/dists/{laptop.suite}/InRelease"])
    assert "Ministerio" in _trusted(laptop)
    # Debian's own package of certificates keeps what it did not bring.
    laptop.apt("install", "--reinstall", "ca-certificates")
    assert "Ministerio" in _trusted(laptop)


def _trusted(laptop: Laptop) -> str:
    bundle = "openssl storeutl -noout -text -certs /etc/ssl/certs/ca-certificates.crt"
    return laptop.run("sh", "-c", f"{bundle} | grep Subject:")


def _is_preset(laptop: Laptop) -> None:
    assert laptop.setting("ana", *COLLABORATION) == "'schoolserver'"
    assert laptop.setting("ana", "org.sugarlabs.update", "backend") == "'microformat.MicroformatUpdater'"
    assert laptop.setting("ana", *UPDATES) == "'http://schoolserver/activities/'"
    # A laptop with a backup URL would believe that it is registered.
    assert laptop.setting("ana", "org.sugarlabs", "backup-url") == "''"


def _registers(laptop: Laptop) -> None:
    profile = laptop.root / "home/ana/.sugar/default"
    profile.mkdir(parents=True)
    (profile / "owner.key.pub").write_text("ssh-dss AAAAB3Nz\n")
    laptop.run("chown", "-R", "ana:", "/home/ana/.sugar")
    (laptop.root / "etc/hosts").write_text("127.0.0.1 localhost schoolserver\n")
    said = laptop.as_child("ana", "python3", "-c", REGISTER, alone=True)
    assert json.loads(said.splitlines()[-1]) == ["schoolserver:8080", ["Ana", "AAAAB3Nz"]]


def _can_be_a_server_as_well(laptop: Laptop) -> None:
    """A peer: its server's packages are to be had, and their settings get along with a laptop's."""
    would = laptop.apt("--simulate", "install", "andes-offline-server")
    packages = {line.split()[1] for line in would.splitlines() if line.startswith("Inst")}
    assert {"andes-server-config", "sugar-server", "prosody-sugar", "dnsmasq", "nftables", "chrony"} <= packages
    assert "Remv" not in would
    laptop.apt("install", "andes-server-config")
    assert (laptop.root / "usr/lib/sugar-server/conf.d/50-andes.conf").is_file()


def _keeps_what_was_chosen(laptop: Laptop) -> None:
    """What the school answered is the laptop's own from now on; another child still has the defaults."""
    laptop.apt("install", "--reinstall", "andes-offline-server-client")
    assert laptop.setting("ana", *COLLABORATION) == "'cusco.escuelas.example.org'"
    assert laptop.setting("ana", "org.sugarlabs", "backup-url") == "'A1@cusco:backup'"
    assert laptop.setting("luis", *COLLABORATION) == "'schoolserver'"


def _moves_to_another_scenario(laptop: Laptop) -> None:
    laptop.apt("install", "andes-online-peers-client")
    assert laptop.installed("andes-*-client") == {"andes-online-peers-client"}
    assert laptop.setting("luis", *COLLABORATION) == "'sugar.example.org'"
    assert laptop.setting("luis", *UPDATES) == "'http://sugar.example.org/activities/'"
    laptop.apt("purge", "andes-online-peers-client")
    assert laptop.setting("luis", *COLLABORATION) == "'schoolserver'", "most schools are offline-server"
    laptop.apt("install", "andes-online-peers-client")


def _upgrades(laptop: Laptop, andes: Site) -> None:
    andes.publish(DEPLOYMENT.replace("sugar.example.org", "otro.example.org"))
    laptop.apt("update")
    would = [line for line in laptop.apt("--simulate", "upgrade").splitlines() if line.startswith("Inst")]
    assert [line.split()[1] for line in would] == ["andes-online-peers-client"], "nothing else has changed"
    laptop.apt("upgrade")
    assert laptop.setting("luis", *COLLABORATION) == "'otro.example.org'"


def _yields_to_other_sources(laptop: Laptop, andes: Site, deb: Path) -> None:
    """apt refuses one repository that two files name with two keyrings."""
    folder = laptop.root / "etc/apt/sources.list.d"
    ours = folder / "andes.sources"
    attached = laptop.sources()
    other = (
        f"Types: deb\nURIs: {andes.url}/\nSuites: {laptop.suite}\nComponents: main\nSigned-By: /etc/apt/other.asc\n"
    )
    shutil.copy(andes.folder.repository_key, laptop.root / "etc/apt/other.asc")
    # As Ansible does on a server, in the same file.
    ours.write_text(other)
    laptop.install_file(deb)
    assert ours.read_text() == other
    laptop.apt("purge", *laptop.installed("andes-*"))
    assert ours.read_text() == other
    # As somebody does who has attached the repository by hand, to take the first package from it.
    by_hand = ours.rename(folder / "by-hand.sources")
    laptop.apt("update")
    laptop.apt("install", "andes-online-peers-client")
    laptop.apt("update")
    assert not ours.exists()
    by_hand.unlink()
    laptop.install_file(deb)
    assert laptop.sources() == attached
    ours.write_text(ours.read_text() + "Enabled: no\n")
    laptop.install_file(deb)
    assert "Enabled: no" in ours.read_text(), "what somebody has changed stays"
    ours.unlink()
    laptop.install_file(deb)
    assert not ours.exists(), "what somebody has removed does not come back"
    (laptop.root / "etc/apt/other.asc").unlink()
