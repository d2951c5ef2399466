"""The files around the server: what the role's template says, and the certificate's maker."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from .server import DOMAIN, PACKAGE, Server, render


def _certificate(domain: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PACKAGE / "bin" / "certificate", domain, folder], check=False, capture_output=True, text=True
    )


def test_prosody_itself_finds_nothing_wrong(server: Server) -> None:
    found = subprocess.run(
        ["prosodyctl", "--config", server.config, "check", "config"], check=False, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout
    assert "All checks passed" in found.stdout


def test_prosody_refuses_a_broken_drop_in(tmp_path: Path) -> None:
    (tmp_path / "broken.conf").write_text("this is not Lua\n")
    (tmp_path / "prosody.cfg.lua").write_text(
        render(
            tmp_path,
            presence__common=PACKAGE / "config" / "sugar.cfg.lua",
            presence__drop_ins=[str(tmp_path / "broken.conf")],
        )
    )
    found = subprocess.run(
        ["prosodyctl", "--config", tmp_path / "prosody.cfg.lua", "check", "config"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert found.returncode != 0
    assert "broken.conf:1" in found.stdout + found.stderr


def test_drop_ins_come_last_and_in_the_order_of_their_names(tmp_path: Path) -> None:
    text = render(tmp_path, presence__drop_ins=["/x/20-b.conf", "/x/10-a.conf"])
    assert text.splitlines()[-3:] == ['Include "/x/10-a.conf"', "", 'Include "/x/20-b.conf"']


KINDS = {"": "Public-Key: (2048 bit)", "-ecdsa": "ASN1 OID: prime256v1"}


@pytest.mark.parametrize("domain", [DOMAIN, ".".join(["escuela" * 8, "provincia" * 6, "example"])])
def test_certificates_are_made_once_and_their_keys_are_private(tmp_path: Path, domain: str) -> None:
    made = _certificate(domain, tmp_path)
    assert made.returncode == 0
    assert made.stdout.splitlines() == [f"{tmp_path}/{domain}{kind}.crt" for kind in KINDS]
    for kind, said in KINDS.items():
        key, certificate = tmp_path / f"{domain}{kind}.key", tmp_path / f"{domain}{kind}.crt"
        assert stat.S_IMODE(key.stat().st_mode) == 0o640
        assert stat.S_IMODE(certificate.stat().st_mode) == 0o644
        shown = subprocess.run(
            ["openssl", "x509", "-in", certificate, "-noout", "-text"], check=True, capture_output=True, text=True
        ).stdout
        assert said in shown
        assert f"DNS:{domain}, DNS:conference.{domain}" in shown
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 2 * len(KINDS)
    again = _certificate(domain, tmp_path)
    assert (again.returncode, again.stdout) == (0, "")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_server_that_has_a_certificate_keeps_it_and_gets_the_other(tmp_path: Path) -> None:
    """As it was made before there were two."""
    _certificate(DOMAIN, tmp_path)
    before = (tmp_path / f"{DOMAIN}.crt").read_bytes()
    for part in ("crt", "key"):
        (tmp_path / f"{DOMAIN}-ecdsa.{part}").unlink()
    assert _certificate(DOMAIN, tmp_path).stdout == f"{tmp_path}/{DOMAIN}-ecdsa.crt\n"
    assert (tmp_path / f"{DOMAIN}.crt").read_bytes() == before


def test_packages_that_make_one_certificate_are_configured_for_it(tmp_path: Path) -> None:
    assert "ecdsa" in render(tmp_path)
    assert "ecdsa" not in render(tmp_path, presence__ecdsa={"stat": {"exists": False}})


def test_a_certificate_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    done = _certificate("not a domain,otherName:x", tmp_path)
    assert done.returncode != 0
    assert done.stderr
    assert list(tmp_path.iterdir()) == []
