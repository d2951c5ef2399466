"""Keys and signatures as GnuPG reads them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.folder import Folder
from sugar_deploy.keys import openpgp
from sugar_deploy.keys.rpm_key import CREATED_AT, RpmKey, rpm_key
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.repository.signature import BadSignature, check_detached, keyring
from tests.integration.repository.rpm.laptop import run

SIGNED_AT = 1700000000


@pytest.fixture(scope="module")
def key(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> RpmKey:
    return rpm_key(Secrets(Folder(tmp_path_factory.mktemp("key")), "lima"), "lima")


@pytest.fixture
def public(key: RpmKey, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "key.asc").write_text(key.public)
    with keyring(tmp_path / "key.asc") as keys:
        yield keys


def test_gnupg_sees_a_key_that_only_signs_and_never_expires(key: RpmKey, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", home, "--batch", "--with-colons")
    imported = subprocess.run([*gpg, "--import"], input=key.public, text=True, capture_output=True, check=False)
    assert imported.returncode == 0, imported.stderr
    rows = [line.split(":") for line in run(*gpg, "--check-sigs").stdout.splitlines()]
    public = next(row for row in rows if row[0] == "pub")
    assert (public[2], public[3], public[5], public[6]) == ("4096", "1", str(CREATED_AT), "")
    assert set(public[11].lower()) == {"s", "c"}
    assert [row[9] for row in rows if row[0] == "fpr"] == [key.fingerprint]
    assert [row[9] for row in rows if row[0] == "uid"] == ["lima packages for OLPC OS"]
    assert [row[1] for row in rows if row[0] == "sig"] == ["!"], "it has signed itself, rightly"
    assert not [row for row in rows if row[0] == "sub"]


@pytest.mark.parametrize("version", [3, 4])
def test_gpgv_accepts_what_was_signed_and_nothing_else(
    key: RpmKey, public: Path, tmp_path: Path, version: int
) -> None:
    file, signature = tmp_path / "file", tmp_path / "file.asc"
    file.write_bytes(bytes(range(256)) * 40)
    if version == 3:
        content = key.sign_for_rpm(file.read_bytes(), SIGNED_AT)
        signature.write_text(openpgp.armour("SIGNATURE", content))
    else:
        key.sign_file(file, signature, SIGNED_AT)
    listed = run("gpg", "--list-packets", signature).stdout
    assert f"version {version}, created {SIGNED_AT}" in listed
    assert "digest algo 8" in listed
    check_detached(signature, file, public)
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(BadSignature, match="it is not what was signed"):
        check_detached(signature, file, public)


def test_another_key_is_another_key(key: RpmKey, public: Path, tmp_path: Path) -> None:
    other = rpm_key(Secrets(Folder(tmp_path / "other"), "other"), "other")
    assert other.fingerprint != key.fingerprint
    (tmp_path / "file").write_text("text")
    other.sign_file(tmp_path / "file", tmp_path / "file.asc", SIGNED_AT)
    with pytest.raises(BadSignature, match="it is signed by another key"):
        check_detached(tmp_path / "file.asc", tmp_path / "file", public)
