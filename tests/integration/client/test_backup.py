"""The client's registration and backup with the real server, OpenSSH and rsync."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.backup.conftest import _host_keys  # noqa: F401 (removes the host keys that all share)

from .backups import Child, SchoolServer, running

DSA_PEM, RSA_PEM = ("-t", "dsa", "-m", "PEM"), ("-t", "rsa", "-b", "2048", "-m", "PEM")


@pytest.fixture
def server() -> Iterator[SchoolServer]:
    yield from running()


@pytest.fixture
def child(server: SchoolServer, tmp_path: Path) -> Child:
    """Registered, with three entries in the Journal."""
    child = Child(tmp_path / "laptop", "SHC00700123")
    for number in range(3):
        child.entry(number)
    child.good("register", "--server", server.address)
    return child


def _snapshot(server: SchoolServer) -> Path:
    (home,) = server.backups.backups.glob("users/*")
    return home.resolve() / "datastore-latest"


def _same(left: Path, right: Path) -> bool:
    found = filecmp.dircmp(left, right)
    if found.left_only or found.right_only or found.funny_files:
        return False
    _, wrong, errors = filecmp.cmpfiles(left, right, found.common_files, shallow=False)
    return not wrong and not errors and all(_same(left / name, right / name) for name in found.common_dirs)


def test_keys_of_all_forms_are_linked(server: SchoolServer, tmp_path: Path):
    forms = {
        "dsa": ("-t", "dsa"),
        "dsa-pem": DSA_PEM,
        "rsa": ("-t", "rsa", "-b", "2048"),
        "rsa-pem": RSA_PEM,
        "ed25519": ("-t", "ed25519"),
    }
    for number, (name, form) in enumerate(forms.items()):
        child = Child(tmp_path / name, f"SHC0070012{number}", form)
        found = json.loads(child.good("register", "--server", server.address, "--json"))
        owner = subprocess.run(
            ["ssh-keygen", "-lf", child.profile / "owner.key.pub"], capture_output=True, text=True, check=True
        ).stdout.split()[1]
        registered = [each for each in server.web.registrations() if each["serial"] == f"SHC0070012{number}"]
        assert [each["fingerprint"] for each in registered] == [owner], name
        assert found["linked"], name
        assert registered[0]["nick"] == 'Ñusta "1"'


def test_the_key_is_made_once_and_for_its_owner_only(server: SchoolServer, child: Child):
    key = child.own / "client.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert child.own.stat().st_mode & 0o777 == 0o700
    before = key.read_bytes()
    child.good("register", "--server", server.address)
    assert key.read_bytes() == before
    assert len(server.web.registrations()) == 1


def test_a_refusal_is_told(server: SchoolServer, tmp_path: Path):
    child = Child(tmp_path / "laptop", "root")
    done = child.run("register", "--server", server.address)
    assert done.returncode == 1
    assert "refuses the registration: the serial number is the name of a system account" in done.stderr


def test_a_backup_once_a_day(server: SchoolServer, child: Child):
    said = child.good("backup")
    assert "Backed up as datastore-2" in said
    assert _same(child.journal, _snapshot(server))
    child.entry(7)
    assert "already backed up today" in child.good("backup")
    assert not _same(child.journal, _snapshot(server))
    child.good("backup", "--now")
    assert _same(child.journal, _snapshot(server))


def test_sugars_index_is_not_brought(server: SchoolServer, child: Child):
    (child.journal / "index").mkdir()
    (child.journal / "index" / "postlist.glass").write_bytes(b"x")
    for name in ("index_updated", "ds_clean"):
        (child.journal / name).touch()
    child.good("backup")
    assert sorted(path.name for path in _snapshot(server).iterdir()) == ["00", "version"]


def test_an_empty_journal_replaces_nothing(server: SchoolServer, child: Child):
    child.good("backup")
    shutil.rmtree(child.journal / "00")
    assert "the Journal is empty" in child.good("backup", "--now")
    assert (_snapshot(server) / "00").is_dir()


def test_without_its_server_there_is_nothing_to_do(server: SchoolServer, child: Child):
    server.web.stop()
    assert "does not answer" in child.good("backup")


def test_without_registration_there_is_nothing_to_do(tmp_path: Path):
    child = Child(tmp_path / "laptop", "SHC00700123")
    child.entry(1)
    assert "not registered" in child.good("backup")


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ("[org/sugarlabs]\nbackup-url='SHC00700123@127.0.0.2:x'\n", "127.0.0.2"),
        ("[org/sugarlabs/collaboration]\njabber-server='127.0.0.3'\n", "127.0.0.3"),
    ],
)
def test_the_server_is_the_one_that_sugar_is_set_to(tmp_path: Path, settings: str, asked: str):
    child = Child(tmp_path / "laptop", "SHC00700123")
    child.entry(1)
    child.keyfile.write_text(settings)
    done = child.run("register")
    assert done.returncode == 1
    assert f"the school server {asked} does not answer" in done.stderr
    # Where Sugar itself is registered, the backup registers without being asked to.
    said = child.good("backup")
    assert ("does not answer" if "backup-url" in settings else "not registered") in said


def test_before_sugars_first_start_nothing_is_made(tmp_path: Path):
    child = Child(tmp_path / "laptop", "SHC00700123")
    shutil.rmtree(child.home / ".sugar")
    done = child.run("register", "--server", "127.0.0.1:1")
    assert done.returncode == 1
    assert "Start Sugar once" in done.stderr
    assert not (child.home / ".sugar").exists()


def test_an_interrupted_transfer_goes_on(server: SchoolServer, child: Child):
    entry = child.entry(9)
    (entry / "data").write_bytes(os.urandom(24 << 20))
    argv = ["/usr/bin/python3", "-m", "sugar_client", "backup"]
    process = subprocess.Popen(argv, env=child.environment(), start_new_session=True)
    arrived = "homes/*/datastore-current/00/00000009*/"
    assert _largest(server, arrived + ".data.*")
    # The laptop is switched off: client, rsync and ssh go at once.
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    part = _largest(server, arrived + "data")
    assert 0 < part < 24 << 20
    child.good("backup")
    assert _same(child.journal, _snapshot(server))


def _largest(server: SchoolServer, pattern: str) -> int:
    """The size of the file once it is larger than a MiB; 0 if it does not become so."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for path in server.backups.backups.glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > 1 << 20:
                    return path.stat().st_size
        time.sleep(0.01)
    return 0


def test_another_host_key_is_refused(server: SchoolServer, child: Child):
    child.good("backup")
    server.backups.stop()
    shutil.rmtree(server.backups.backups / "keys")
    server.backups.start()
    child.entry(8)
    done = child.run("backup", "--now")
    assert done.returncode == 1
    assert "Nothing was sent" in done.stderr
    assert "Nothing was sent" in str(child.state["failure"])
    assert not _same(child.journal, _snapshot(server))
    child.good("register", "--server", server.address, "--new-server")
    child.good("backup", "--now")
    assert _same(child.journal, _snapshot(server))
    assert not child.state["failure"]


def test_a_busy_server_is_left_alone(server: SchoolServer, child: Child):
    server.web.stop()
    # Of any disk more than that is used.
    server.web.configure("[backup]\nmost_used_percent = 1\n", "conf.d/busy.conf")
    server.web.start()
    asked = time.time()
    said = child.good("backup")
    assert "the school server is busy" in said
    waits = float(str(child.state["not_before"])) - asked
    assert waits >= 60
    server.web.stop()
    assert "the school server is busy" in child.good("backup", "--now")
