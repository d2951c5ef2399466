"""The deployment's authority, and the certificates that servers get of it: accepted by openssl, renewed in time."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.sugar.deploy.plugins.filter.certified import certified

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.authority import Authority
from sugar_deploy.keys.secrets import Secrets

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
DOMAIN = "lima.andes.example"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return at(tmp_path, NOW)


def at(root: Path, now: datetime) -> Authority:
    environment = {"HOME": str(root), "XDG_CONFIG_HOME": str(root / "config")}
    folder = Folder(root / "andes")
    return Authority(folder, Secrets(folder, "andes", environment=environment), "andes", now)


def _openssl(*argv: str | Path) -> str:
    return subprocess.run(["openssl", *argv], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate that a server's package has made, with its key beside it."""
    folder = tmp_path_factory.mktemp("server")
    key, certificate = folder / "server.key", folder / "server.crt"
    argv = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/O=self"]
    _openssl(*argv, "-keyout", key, "-out", certificate)
    return certificate


def signed(authority: Authority, text: str, domain: str = DOMAIN, now: datetime = NOW) -> str:
    key = authority.secrets.authority_key()
    return str(certified(text, authority.folder.authority.read_text(), key, domain, now))


def test_openssl_accepts_it_for_both_ends_and_for_the_rooms(
    authority: Authority, server: Path, tmp_path: Path
) -> None:
    assert authority.make()
    made = tmp_path / "made.crt"
    made.write_text(signed(authority, server.read_text()))
    for purpose in ("sslserver", "sslclient"):
        argv = ["verify", "-x509_strict", "-attime", str(int(NOW.timestamp())), "-purpose", purpose]
        for name in (DOMAIN, f"conference.{DOMAIN}"):
            found = _openssl(*argv, "-verify_hostname", name, "-CAfile", authority.folder.authority, made)
            assert found.strip().endswith("OK")
    key = server.with_suffix(".key")
    assert _openssl("pkey", "-in", key, "-pubout") == _openssl("x509", "-in", made, "-noout", "-pubkey")


def test_a_good_one_is_kept_and_any_other_made_anew(authority: Authority, server: Path) -> None:
    authority.make()
    first = signed(authority, server.read_text())
    assert signed(authority, first) == first
    assert signed(authority, first, now=NOW + 3 * YEAR) == first
    assert signed(authority, first, now=NOW + 4 * YEAR + timedelta(days=1)) != first
    other = signed(authority, first, domain="other.example")
    assert other != first
    assert signed(authority, other, domain="other.example") == other


def test_the_authority_is_made_once_and_renewed_with_its_key(authority: Authority, tmp_path: Path) -> None:
    assert authority.make()
    assert not authority.make()
    assert not at(tmp_path, NOW + 14 * YEAR).make()
    key = authority.secrets.authority_key()
    assert at(tmp_path, NOW + 16 * YEAR).make()
    assert authority.secrets.authority_key() == key
    assert authority.ends() > NOW + 35 * YEAR


def test_with_another_authority_servers_get_another_certificate(authority: Authority, server: Path) -> None:
    authority.make()
    first = signed(authority, server.read_text())
    authority.folder.authority.unlink()
    (authority.folder.secrets / "hosts.yml").unlink()
    authority.make()
    assert signed(authority, first) != first


def test_a_lost_key_is_not_replaced_silently(authority: Authority) -> None:
    authority.make()
    (authority.folder.secrets / "hosts.yml").unlink()
    with pytest.raises(DeployError, match="is not in"):
        authority.make()


def test_the_key_of_another_authority_signs_nothing(authority: Authority, server: Path, tmp_path: Path) -> None:
    authority.make()
    other = at(tmp_path / "other", NOW)
    other.make()
    with pytest.raises(AnsibleFilterError, match=r"is not that of authority\.crt"):
        certified(server.read_text(), authority.folder.authority.read_text(), other.secrets.authority_key(), DOMAIN)
    with pytest.raises(AnsibleFilterError, match=f"no certificate can be made for {DOMAIN}"):
        signed(authority, "-----BEGIN CERTIFICATE-----\n")


def test_no_key_lies_open(authority: Authority) -> None:
    authority.make()
    files = [path for path in authority.folder.root.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"PRIVATE" in path.read_bytes()]
