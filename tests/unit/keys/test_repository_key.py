"""The signing key: made once, restored, renewed, and refused before it is too late."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.gpg import gpg_argv, opened
from sugar_deploy.keys.repository_key import DAY_SECONDS, SigningKey, parse_keys, renew, require_valid, signing_key
from sugar_deploy.keys.secrets import Secrets

LISTING = """\
sec:u:255:22:825FF8450E01F8BA:1795228848:1952908848::u:::scSC:::+::ed25519:::0:
fpr:::::::::2958574E6475D1D1CD33EE3F825FF8450E01F8BA:
grp:::::::::5F0B9C75EFC94DFE82FBC2E28296A5CBC3FFD987:
uid:u::::1795228848::24D8ADF8756D98EBF19377C7415E299C48CCEBF7::lima repository::::::::::0:
"""


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache whose path is short, as a user's is."""
    path = tmp_path_factory.mktemp("c")
    monkeypatch.setenv("XDG_CACHE_HOME", str(path))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Folder:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    return Folder(tmp_path / "lima")


def test_gpgs_listing_is_read() -> None:
    key = SigningKey("2958574E6475D1D1CD33EE3F825FF8450E01F8BA", 1952908848, 1795228848)
    assert parse_keys(LISTING) == (key,)
    assert parse_keys("") == ()
    assert parse_keys("tru::1:1795228848:0:3:1:5\n") == ()


@pytest.mark.parametrize(
    ("days", "outcome"),
    [(-1, "expired on"), (0, "expires on"), (13, "in 13 days"), (14, "warning"), (179, "warning"), (180, "fine")],
)
def test_a_key_is_refused_before_it_expires(days: int, outcome: str) -> None:
    now = 1_800_000_000
    key = SigningKey("F" * 40, now + days * DAY_SECONDS)
    if outcome in {"warning", "fine"}:
        warning = require_valid(key, Folder(Path("lima")), now)
        assert bool(warning) == (outcome == "warning")
        return
    with pytest.raises(DeployError, match=outcome) as error:
        require_valid(key, Folder(Path("lima")), now)
    assert "sugar-deploy repo key --renew -C lima" in error.value.remedy


def test_the_passphrase_is_in_no_command() -> None:
    argv = gpg_argv("/dev/fd/5", "--list-secret-keys")
    assert argv[argv.index("--passphrase-file") + 1] == "/dev/fd/5"
    assert "--passphrase" not in argv


def test_the_key_is_made_once_protected_and_ends_its_agent(folder: Folder) -> None:
    with signing_key(folder, "lima") as (gpg, key):
        home = gpg.home
    listed = subprocess.run(
        ["gpg", "--homedir", home, "--show-keys", "--with-colons", folder.repository_key],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"fpr:::::::::{key.fingerprint}:" in listed
    assert ":ed25519:" in listed
    assert 1824 <= key.days_left(time.time()) <= 1826, "five years"
    assert folder.repository_key.stat().st_mode & 0o777 == 0o644
    with signing_key(folder, "lima") as (_, again):
        assert again == key
    with opened(home, "not the passphrase") as gpg, pytest.raises(DeployError, match="failed"):
        gpg.run("--armor", "--detach-sign", "--output", "-", text="x")
    sockets = subprocess.run(
        ["gpg-connect-agent", "--homedir", home, "--no-autostart", "/bye"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no gpg-agent running" in sockets.stderr


def test_a_renewed_key_keeps_its_fingerprint(folder: Folder) -> None:
    with signing_key(folder, "lima") as (gpg, key):
        gpg.run("--quick-set-expire", key.fingerprint, "10d")
    with signing_key(folder, "lima") as (_, short):
        assert short.days_left(time.time()) in {9, 10}
        with pytest.raises(DeployError, match="expires on"):
            require_valid(short, folder)
    before = folder.repository_key.read_text()
    renewed = renew(folder, "lima")
    assert renewed.fingerprint == key.fingerprint
    assert renewed.days_left(time.time()) >= 1824
    assert folder.repository_key.read_text() != before
    secrets = Secrets(folder, "lima")
    assert "BEGIN PGP PRIVATE KEY BLOCK" in secrets.get("repository_private_key")


def test_a_long_path_gets_one_short_name_for_good(tmp_path: Path, cache: Path) -> None:
    home = tmp_path / ("long-" * 20) / "gnupg"
    names = set()
    for _ in range(2):
        with opened(home, "open sesame") as gpg:
            names.add(gpg.home)
            assert gpg.home.resolve() == home
            assert gpg.run("--with-colons", "--list-secret-keys") == ""
    assert [name.parent for name in names] == [cache / "sugar-deploy/gnupg"]
