"""The authority of federations: whom it gives certificates, when anew, and what is secret of them."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.federation import Authority
from sugar_deploy.keys.secrets import Secrets

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
SCHOOLS = {"lima": "lima.andes.example", "cusco": "s.cusco.example"}


def _authority(root: Path, now: datetime = NOW) -> Authority:
    environment = {"HOME": str(root), "XDG_CONFIG_HOME": str(root / "config")}
    folder = Folder(root / "andes")
    return Authority(folder, Secrets(folder, "andes", environment=environment), "andes", now)


def _openssl(*argv: str | Path) -> str:
    return subprocess.run(["openssl", *argv], check=True, capture_output=True, text=True).stdout


def test_openssl_accepts_what_is_issued_for_both_ends(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    assert authority.issue(SCHOOLS) == ["cusco", "lima"]
    for school, domain in SCHOOLS.items():
        path = authority.folder.federation_certificate(school)
        for purpose in ("sslserver", "sslclient"):
            argv = ["verify", "-x509_strict", "-attime", str(int(NOW.timestamp())), "-purpose", purpose]
            for name in (domain, f"conference.{domain}"):
                found = _openssl(
                    *argv, "-verify_hostname", name, "-CAfile", authority.folder.federation_authority, path
                )
                assert found.strip().endswith("OK")
        key = tmp_path / "key"
        key.write_text(authority.secrets.federation_keys()[school])
        assert _openssl("pkey", "-in", key, "-pubout") == _openssl("x509", "-in", path, "-noout", "-pubkey")


def test_who_has_a_good_one_keeps_it(tmp_path: Path) -> None:
    _authority(tmp_path).issue(SCHOOLS)
    assert _authority(tmp_path).issue(SCHOOLS) == []
    assert _authority(tmp_path).issue(SCHOOLS | {"lima": "lima.example"}) == ["lima"]
    assert _authority(tmp_path, NOW + timedelta(days=3 * 365)).issue(SCHOOLS | {"lima": "lima.example"}) == []
    assert _authority(tmp_path, NOW + timedelta(days=4 * 365 + 1)).issue(SCHOOLS) == ["cusco", "lima"]


def test_with_a_new_authority_all_get_new_ones(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    authority.issue(SCHOOLS)
    authority.folder.federation_authority.unlink()
    authority.secrets.drop("federation_authority_key")
    assert authority.issue(SCHOOLS) == ["cusco", "lima"]


def test_a_lost_key_is_not_replaced_silently(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    authority.issue(SCHOOLS)
    authority.secrets.drop("federation_authority_key")
    with pytest.raises(DeployError, match="is not in"):
        authority.issue(SCHOOLS)


def test_no_key_lies_open(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    authority.issue(SCHOOLS)
    assert not [
        path for path in authority.folder.root.rglob("*") if path.is_file() and b"PRIVATE" in path.read_bytes()
    ]
