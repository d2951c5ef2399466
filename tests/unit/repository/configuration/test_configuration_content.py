"""What the packages say, written down by hand, and read by the programs that they are for."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.resources import resource
from tests.unit.repository.configuration.conftest import LAN, SCHOOLS, Generate, field, plan, unpacked

sys.path.insert(0, str(resource("packages") / "sugar-server"))

SCHEMAS = "usr/share/glib-2.0/schemas"


def _override(deb: Path, into: Path) -> dict[str, str]:
    """The settings in a package's only override file."""
    (file,) = (unpacked(deb, into) / SCHEMAS).iterdir()
    parser = ConfigParser(interpolation=None, delimiters=("=",))
    parser.read(file, encoding="utf-8")
    return {key: value for section in parser.sections() for key, value in parser.items(section)}


def test_there_are_packages_for_the_scenarios_in_use_and_no_others(generate: Generate) -> None:
    assert sorted(generate()) == [
        "peru-client-config",
        "peru-offline-server",
        "peru-offline-server-client",
        "peru-online-peers",
        "peru-online-peers-client",
        "peru-peer-server",
        "peru-peer-server-client",
        "peru-repository",
        "peru-server-config",
    ]


def test_a_deployment_without_schools_has_what_all_machines_share(generate: Generate) -> None:
    assert sorted(generate(plan({}))) == ["peru-client-config", "peru-repository", "peru-server-config"]


def test_a_servers_metapackage_needs_what_its_scenarios_servers_need(generate: Generate) -> None:
    debs = generate()
    assert field(debs["peru-offline-server"], "Depends") == (
        "dnsmasq, peru-server-config, prosody, prosody-sugar, sugar-server"
    )
    assert field(debs["peru-peer-server"], "Depends") == (
        "dnsmasq, iw, peru-server-config, prosody, prosody-sugar, sugar-server, wpasupplicant"
    )
    assert "dnsmasq" not in field(debs["peru-online-peers"], "Depends")
    assert field(debs["peru-server-config"], "Depends") == "peru-repository"


def test_laptops_are_told_their_server(generate: Generate, tmp_path: Path) -> None:
    debs = generate()
    school = {
        "jabber-server": "'schoolserver'",
        "backend": "'microformat.MicroformatUpdater'",
        "microformat-update-url": "'http://schoolserver/activities/'",
    }
    assert _override(debs["peru-client-config"], tmp_path / "all") == school, "as in most schools"
    assert _override(debs["peru-peer-server-client"], tmp_path / "peer") == school
    assert _override(debs["peru-online-peers-client"], tmp_path / "peers") == {
        "jabber-server": "'encuentro.peru.example'",
        "backend": "'microformat.MicroformatUpdater'",
        "microformat-update-url": "'http://encuentro.peru.example/activities/'",
    }
    for name in ("peru-peer-server-client", "peru-online-peers-client"):
        assert field(debs[name], "Depends") == "peru-client-config"
        assert field(debs[name], "Conflicts") == field(debs[name], "Provides") == "peru-client"


def test_a_scenarios_settings_win_over_those_of_all(generate: Generate, tmp_path: Path) -> None:
    debs = generate()
    all_of_them = unpacked(debs["peru-online-peers-client"], unpacked(debs["peru-client-config"], tmp_path / "root"))
    names = sorted(path.name for path in (all_of_them / SCHEMAS).iterdir())
    assert names == ["50_peru.gschema.override", "60_peru-online-peers.gschema.override"]


def test_each_of_several_masters_on_the_internet_has_its_laptops(generate: Generate, tmp_path: Path) -> None:
    master = {"scenario": "online-peers", "role": "master"}
    debs = generate(plan({"norte": master, "sur": master, "aula": {**SCHOOLS["aula"], "master": "sur"}}))
    for school in ("norte", "sur"):
        found = _override(debs[f"peru-online-peers-{school}-client"], tmp_path / school)
        assert found["jabber-server"] == f"'{school}.peru.example'"


def test_masters_on_a_lan_are_all_called_schoolserver(generate: Generate) -> None:
    master = {"scenario": "online-server", "role": "master", "uplink": {"interface": "eth0"}, "lan": LAN}
    assert not [name for name in generate(plan({"norte": master, "sur": master})) if "norte" in name or "sur" in name]


def test_a_server_without_ansible_registers_as_the_deployment_says(generate: Generate, tmp_path: Path) -> None:
    from sugar_server.config import InvalidConfig, load

    services = {"registration": {"known_serial": "hold"}}
    first = unpacked(generate(plan(services=services))["peru-server-config"], tmp_path / "first")
    config = load(first)
    assert (config.registration.enabled, config.registration.known_serial.value, config.registration.listed) == (
        True,
        "hold",
        None,
    )

    opted_out = {"statistics": {"enabled": False, "keep_days": 30}}
    statistics = load(unpacked(generate(plan(services=opted_out))["peru-server-config"], tmp_path / "out")).statistics
    assert (config.statistics.enabled, statistics.enabled, statistics.keep_days) == (True, False, 30)

    listed = unpacked(
        generate(plan(services={"registration": {"who": "listed"}}))["peru-server-config"], tmp_path / "2"
    )
    with pytest.raises(InvalidConfig, match=r"/etc/sugar-server/laptops\.csv"):
        load(listed)
    (listed / "etc/sugar-server").mkdir(parents=True)
    (listed / "etc/sugar-server/laptops.csv").write_text("serial\nSHC00700123\n")
    assert load(listed).registration.listed == {"SHC00700123"}


def test_the_source_names_the_repository_on_the_web(generate: Generate, tmp_path: Path) -> None:
    url = "https://deploy.example/peru"
    deb = generate(plan(repository={"url": url, "suites": ["trixie"]}))["peru-repository"]
    root = unpacked(deb, tmp_path / "root")
    lines = (root / "usr/share/peru-repository/peru.sources").read_text().splitlines()
    # By its first line others of our programs know a source of ours.
    assert lines[0] == "# The deployment's own packages, kept by sugar-deploy."
    assert {f"URIs: {url}", "Signed-By: /usr/share/keyrings/peru-archive-keyring.asc"} <= set(lines)
    assert field(deb, "Depends") == "ca-certificates", "for https"
    scripts = subprocess.run(["dpkg-deb", "--info", str(deb), "postinst"], capture_output=True, text=True, check=True)
    assert 'suites="trixie"\n' in scripts.stdout


def test_without_a_url_there_is_a_key_and_no_source(generate: Generate, tmp_path: Path) -> None:
    root = unpacked(generate()["peru-repository"], tmp_path / "root")
    assert "BEGIN PGP PUBLIC KEY" in (root / "usr/share/keyrings/peru-archive-keyring.asc").read_text()
    assert not list(root.rglob("*.sources"))


def test_certificates_are_held_under_the_deployments_name(
    folder: Folder, generate: Generate, certificate: str, tmp_path: Path
) -> None:
    folder.certificates.mkdir()
    (folder.certificates / "root.crt").write_text(certificate.rstrip("\n"))
    root = unpacked(generate()["peru-repository"], tmp_path / "root")
    assert (root / "usr/share/ca-certificates/peru/peru-root.crt").read_text() == certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("certificate") / "made.crt"
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Root"]
    subprocess.run([*new, "-keyout", "/dev/null", "-out", str(path)], check=True, capture_output=True)
    return path.read_text()


def test_what_is_no_certificate_is_refused(folder: Folder, generate: Generate, certificate: str) -> None:
    folder.certificates.mkdir()
    cases = {
        "root.crt": ("garbage", "no certificate in PEM form.*openssl x509 -inform der"),
        "torn.crt": (certificate[:400] + "\n-----END CERTIFICATE-----\n", "no certificate in PEM form"),
        "umlaut.crt": (f"Größe\n{certificate}", "no certificate in PEM form"),
        "key.crt": (f"{certificate}-----BEGIN PRIVATE KEY-----\n", "holds a private key"),
        "my root.crt": (certificate, "has a name that certificates cannot have"),
        "empty.crt": ("", "no certificate in PEM form"),
    }
    for name, (text, message) in cases.items():
        (folder.certificates / name).write_text(text)
        with pytest.raises(UsageError, match=message):
            generate()
        (folder.certificates / name).unlink()
    assert not folder.repository.exists(), "nothing was begun"


def test_two_certificates_in_a_file_are_refused(folder: Folder, generate: Generate, certificate: str) -> None:
    other = Path("/etc/ssl/certs/ca-certificates.crt").read_text().partition("-----END CERTIFICATE-----\n")
    folder.certificates.mkdir()
    (folder.certificates / "chain.crt").write_text(certificate + other[0] + other[1])
    with pytest.raises(UsageError, match="holds 2 certificates"):
        generate()
