"""A Journal comes back, and Sugar's own datastore takes it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.backup.conftest import _host_keys  # noqa: F401 (removes the host keys that all share)

from .backups import Child, SchoolServer, running

ASK = Path(__file__).with_name("sugar_datastore.py")


@pytest.fixture
def server() -> Iterator[SchoolServer]:
    yield from running()


@pytest.fixture
def child(server: SchoolServer, tmp_path: Path) -> Child:
    """Backed up, with three entries in the Journal."""
    child = Child(tmp_path / "100% of a laptop", "SHC00700123")
    for number in range(3):
        child.entry(number, f"Text {number}".encode())
    child.good("register", "--server", server.address)
    child.good("backup")
    return child


def _sugar_has(child: Child, query: str = "entry") -> dict[str, object]:
    """What Sugar's datastore service finds, after its own start."""
    scratch = child.home / "tmp"
    scratch.mkdir(exist_ok=True)
    sugar = {"SUGAR_HOME": str(child.home / ".sugar"), "SUGAR_PROFILE": "default", "TMPDIR": str(scratch)}
    environment = child.environment() | sugar
    del environment["PYTHONPATH"]
    argv = ["dbus-run-session", "--", "/usr/bin/python3", str(ASK), query]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    _wait_for_end(child)
    return json.loads(done.stdout.splitlines()[-1])


def _wait_for_end(child: Child) -> None:
    """The service ends by itself once its bus is gone."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        open_files = subprocess.run(
            ["find", "/proc", "-maxdepth", "3", "-path", "/proc/*/fd/*", "-lname", f"{child.home}/*"],
            capture_output=True,
            text=True,
        )
        if not open_files.stdout:
            return
        time.sleep(0.05)
    raise AssertionError(f"Sugar's datastore service goes on: {open_files.stdout}")


CONTENTS = {f"Entry {number}": f"Text {number}" for number in range(3)}


def test_a_lost_journal_comes_back(server: SchoolServer, child: Child):
    shutil.rmtree(child.journal)
    assert "3 entries" in child.good("restore")
    assert _sugar_has(child) == {"count": 3, "indexed": True, "contents": CONTENTS}


def test_what_sugar_has_indexed_is_made_anew(server: SchoolServer, child: Child):
    """The Journal that Sugar used meanwhile is kept, and its index does not outlive it."""
    assert _sugar_has(child)["indexed"]
    (child.journal / "00" / "00000001-0000-4000-8000-000000000000" / "data").write_text("spoiled")
    child.entry(5, b"Later")
    said = child.good("restore")
    assert _sugar_has(child) == {"count": 3, "indexed": True, "contents": CONTENTS}
    (kept,) = child.profile.glob("datastore.before-*")
    assert str(kept) in said
    assert (kept / "00" / "00000005-0000-4000-8000-000000000000" / "data").read_text() == "Later"
    assert (kept / "00" / "00000001-0000-4000-8000-000000000000" / "data").read_text() == "spoiled"


def test_a_new_laptop_gets_it_once_the_server_has_adopted(server: SchoolServer, child: Child, tmp_path: Path):
    new = Child(tmp_path / "new", "SHC00700999", ("-t", "dsa"))
    new.good("register", "--server", server.address)
    done = new.run("restore")
    assert done.returncode == 1
    assert "sugar-server adopt OLD SHC00700999" in done.stderr
    adopted = server.backups.command("adopt", "SHC00700123", "SHC00700999")
    assert adopted.returncode == 0, adopted.stderr
    new.good("restore")
    assert _sugar_has(new) == {"count": 3, "indexed": True, "contents": CONTENTS}


def test_an_older_snapshot_by_name(server: SchoolServer, child: Child):
    (older,) = json.loads(child.good("restore", "--list", "--json"))
    assert older["entries"] == 3
    child.entry(3, b"Text 3")
    child.good("backup", "--now")
    newer, _ = json.loads(child.good("restore", "--list", "--json"))
    assert newer["entries"] == 4
    assert child.good("restore", "--list").splitlines()[0] == f"{newer['snapshot']}  4 entries"
    child.good("restore", older["snapshot"])
    assert _sugar_has(child)["contents"] == CONTENTS
    done = child.run("restore", "datastore-2001-01-01_00:00")
    assert done.returncode == 1
    assert "no snapshot datastore-2001" in done.stderr


def test_an_interrupted_restoration_goes_on(server: SchoolServer, child: Child):
    data = child.entry(9) / "data"
    data.write_bytes(os.urandom(24 << 20))
    child.good("backup", "--now")
    data.write_bytes(b"here")
    argv = ["/usr/bin/python3", "-m", "sugar_client", "restore"]
    process = subprocess.Popen(argv, env=child.environment(), start_new_session=True)
    coming = child.profile / "datastore.restoring" / "00" / data.parent.name
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not any(part.stat().st_size > 1 << 20 for part in coming.glob(".data.*")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    assert coming.is_dir()
    assert data.read_bytes() == b"here"
    child.good("restore")
    assert data.stat().st_size == 24 << 20
    assert not coming.exists()


def test_nothing_is_replaced_while_sugar_runs(server: SchoolServer, child: Child):
    """An activity, as Sugar starts it, that its shell has not ended yet."""
    child.entry(4)
    sugar = {"SUGAR_HOME": str(child.home / ".sugar"), "SUGAR_PROFILE": "default", "SUGAR_BUNDLE_ID": "org.example.A"}
    with subprocess.Popen(["sleep", "60"], env=child.environment() | sugar) as activity:
        try:
            done = child.run("restore")
        finally:
            activity.terminate()
    assert done.returncode == 1
    assert "Log out of Sugar" in done.stderr
    assert (child.journal / "00" / "00000004-0000-4000-8000-000000000000").is_dir()


def test_the_service_that_outlives_sugar_is_ended(server: SchoolServer, child: Child):
    """As it does on Debian, where its bus is the user's and goes on."""
    shutil.rmtree(child.journal)
    argv = ["dbus-run-session", "--", "/usr/bin/datastore-service"]
    environment = child.environment() | {"SUGAR_HOME": str(child.home / ".sugar"), "SUGAR_PROFILE": "default"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(argv, env=environment, start_new_session=True, **quiet) as sugar:
        try:
            deadline = time.monotonic() + 20
            while not (child.journal / "ds_clean").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert "3 entries" in child.good("restore")
            sugar.wait(timeout=20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(sugar.pid, signal.SIGTERM)
    assert _sugar_has(child) == {"count": 3, "indexed": True, "contents": CONTENTS}


def test_one_entry_as_a_bundle(server: SchoolServer, child: Child, tmp_path: Path):
    uid = "00000001-0000-4000-8000-000000000000"
    target = tmp_path / "entry.xoj"
    child.good("restore", "--entry", uid, "-o", str(target))
    with zipfile.ZipFile(target) as bundle:
        assert sorted(bundle.namelist()) == [f"{uid}/{uid}", f"{uid}/_metadata.json", f"{uid}/preview/{uid}"]
        assert bundle.read(f"{uid}/{uid}") == b"Text 1"
        assert json.loads(bundle.read(f"{uid}/_metadata.json")) == {"title": "Entry 1", "timestamp": "1700000000"}
        assert bundle.read(f"{uid}/preview/{uid}").startswith(b"\x89PNG")
    done = child.run("restore", "--entry", uid.replace("1-", "9-", 1), "-o", str(tmp_path / "none.xoj"))
    assert done.returncode == 1
    assert "has no entry" in done.stderr
    assert not (tmp_path / "none.xoj").exists()
