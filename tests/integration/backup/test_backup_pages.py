"""The teacher's pages over backups that real laptops brought: seen, restored, and given to a new laptop."""

from __future__ import annotations

import http.client
import io
import json
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import zipfile
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from sugar_server.backup import adoptions

PNG = b"\x89PNG\r\n\x1a\n rest of the picture"
TITLE = "Mi <cuento>"


class Teacher:
    """A browser with one cookie."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie = port, ""

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str, bytes]:
        """The status, the address that it leads to, and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Cookie": self.cookie, "Origin": f"http://127.0.0.1:{self.port}"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(fields or {}), headers)
        answer = connection.getresponse()
        body = answer.read()
        given = answer.headers.get("Set-Cookie", "")
        if given.startswith("sugar_session"):
            self.cookie = given.partition(";")[0]
        connection.close()
        return answer.status, answer.headers.get("Location", ""), body

    def page(self, path: str) -> str:
        status, _, body = self.ask("GET", path)
        assert status == 200, (path, status)
        return body.decode()


@contextmanager
def pages(school):
    """The daemon on the same state as the backups' service."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = school.folder / "pages.log"
    argv = school.argv("serve", "--listen", f"127.0.0.1:{port}")
    with log.open("ab") as file:
        process = subprocess.Popen(argv, env=school.environment(), stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 20
        while "Serving" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Teacher(port)
        assert "Traceback" not in log.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


@pytest.fixture
def old(school):
    """A laptop with one entry, backed up."""
    laptop = school.laptop("SHC00700123")
    entry = laptop.entry(1, "once upon a time")
    metadata = {
        "title": TITLE.encode(),
        "activity": b"org.laptop.AbiWordActivity",
        "timestamp": b"1795000000",
        "preview": PNG,
        "uid": entry.name.encode(),
        "mountpoint": b"/media/stick",
    }
    for name, value in metadata.items():
        (entry / "metadata" / name).write_bytes(value)
    laptop.back_up()
    return laptop


@pytest.fixture
def teacher(school, old):
    school.configure("[server]\nfqdn = school.example.pe\n")
    with pages(school) as teacher:
        yield teacher


def log_in(school, teacher):
    password = school.command("password").stdout.strip()
    assert teacher.ask("POST", "/login", {"password": password})[:2] == (303, "/laptops")


def of(teacher, serial):
    """The page of the laptop with this serial."""
    for child in re.findall(r'href="(/laptops/[0-9a-f]+)"', teacher.page("/laptops")):
        if serial in teacher.page(child):
            return child
    raise AssertionError(serial)


def test_anyone_sees_when_it_backed_up_and_only_the_teacher_restores(school, old, teacher):
    (child,) = re.findall(r'href="(/laptops/[0-9a-f]+)"', teacher.page("/laptops"))
    (name,) = old.snapshots()
    at = f'<time datetime="{name[10:].replace("_", "T")}:00Z"'
    assert teacher.page(child).count(at) == 2  # the last backup, and the only one
    assert "Prosody" not in teacher.page("/server")
    address = f"/ds-restore/{old.home.name}/{name}/00000001-0000-4000-8000-000000000000".replace(":", "%3A")
    assert teacher.ask("GET", f"{child}/{name}")[0] == 303
    for path in (address, address.rpartition("/")[0], f"/ds-restore/{old.serial}"):
        assert teacher.ask("GET", path)[0] == 404

    log_in(school, teacher)
    (snapshot,) = re.findall(rf'href="({child}/datastore[^"]+)"', teacher.page(child))
    listed = teacher.page(snapshot)
    assert "Mi &lt;cuento&gt;" in listed
    assert "<bdi>AbiWord</bdi>" in listed
    assert re.findall(r'href="(/ds-restore/[^"]+)" download', listed) == [address]
    status, _, body = teacher.ask("GET", address)
    assert status == 200
    uid = address.rpartition("/")[2]
    with zipfile.ZipFile(io.BytesIO(body)) as bundle:
        assert set(bundle.namelist()) == {f"{uid}/{uid}", f"{uid}/_metadata.json", f"{uid}/preview/{uid}"}
        assert bundle.read(f"{uid}/{uid}") == b"once upon a time"
        assert bundle.read(f"{uid}/preview/{uid}") == PNG
        metadata = json.loads(bundle.read(f"{uid}/_metadata.json"))
    assert metadata["title"] == TITLE
    assert not {"uid", "mountpoint"} & set(metadata)
    cookie, teacher.cookie = teacher.cookie, "sugar_session=" + "A" * 43
    assert teacher.ask("GET", address)[0] == 404
    teacher.cookie = cookie
    token = re.search(r'name="token" value="([^"]+)"', teacher.page(child)).group(1)
    assert teacher.ask("POST", "/logout", {"token": token})[0] == 303
    teacher.cookie = cookie
    assert teacher.ask("GET", address)[0] == 404


def test_backups_given_from_the_page(school, old, teacher):
    new = school.laptop("SHC00700999")
    log_in(school, teacher)
    given, heir = of(teacher, old.serial), of(teacher, new.serial)
    form = teacher.page(given + "/adopt")
    fields = {
        "token": re.search(r'name="token" value="([^"]+)"', form).group(1),
        "heir": heir.rpartition("/")[2],
    }
    assert teacher.ask("POST", given + "/adopt", fields)[:2] == (303, heir + "?done=adopted")
    (request,) = (school.state / "adoptions").iterdir()
    assert request.name == f"{old.home.name}-{new.home.name}"
    assert request.parent.stat().st_mode & 0o777 == 0o770
    assert "are being copied to this one" in teacher.page(heir)
    assert "are being copied to this one" not in teacher.page(given)

    done = school.command("adopt", "--requested")
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(request.parent.iterdir())
    page = teacher.page(heir)
    assert "are being copied to this one" not in page
    assert page.count("/datastore-") == 1
    assert new.snapshots() == old.snapshots()


def test_the_teacher_sees_that_backups_could_not_be_given(school, old, teacher):
    new = school.laptop("SHC00700999")
    log_in(school, teacher)
    heir = of(teacher, new.serial)
    adoptions.ask(school.state, old.home.name, new.home.name)
    aside = old.home.rename(school.folder / "aside")
    assert school.command("adopt", "--requested").returncode == 1
    page = teacher.page(heir)
    assert "This laptop did not get the backups of another one: The old laptop has no backups any more" in page
    session, teacher.cookie = teacher.cookie, ""
    assert "did not get" not in teacher.page(heir)
    teacher.cookie = session
    # Asked again, and done this time.
    aside.rename(old.home)
    adoptions.ask(school.state, old.home.name, new.home.name)
    assert "are being copied" in teacher.page(heir)
    assert "did not get" not in teacher.page(heir)
    assert school.command("adopt", "--requested").returncode == 0
    assert "did not get" not in teacher.page(heir)


@pytest.mark.parametrize("daemon_runs", [True, False])
def test_requests_are_done_by_the_backups_user(school, old, daemon_runs):
    """As the unit runs it: owner of the backups, in the daemon's group."""
    source = school.folder / "source"
    shutil.copytree(school.environment()["PYTHONPATH"], source, ignore=shutil.ignore_patterns("__pycache__"))
    new = school.laptop("SHC00700999")
    database = sqlite3.connect(school.state / "registrations.db")
    if daemon_runs:
        # Its log lies beside the database, which SQLite does not read without it.
        database.execute("UPDATE registrations SET nick = 'x'")
        database.commit()
    else:
        database.close()
    adoptions.ask(school.state, old.home.name, new.home.name)
    for words in (
        ["chgrp", "-R", "65534", school.state],
        ["chmod", "u=rwX,g=rX,o=", school.state, *school.state.glob("*.db*")],
        ["chown", "-R", "65534:65534", school.backups],
    ):
        subprocess.run(words, check=True)
    school.environment = lambda: {"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *school.argv("adopt", "--requested")]
    done = subprocess.run(argv, env=school.environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert new.snapshots() == old.snapshots()
    assert not list(adoptions.folder(school.state).iterdir())
    database.close()


def test_requests_that_cannot_be_done_do_not_stay(school, old):
    folder = school.state / "adoptions"
    folder.mkdir()
    unknown = "f" * 64
    for name in (f"{unknown}-{old.home.name}", f"{old.home.name}-{unknown}", "x", f"{old.home.name}-{old.home.name}"):
        (folder / name).touch()
    done = school.command("adopt", "--requested")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stdout.count("is not given to") == 3
    assert len(list((school.backups / "failed-adoptions").iterdir())) == 2  # by the laptop that got nothing
    assert not list(folder.iterdir())
    assert old.snapshots()


def test_a_request_waits_for_the_end_of_a_backup(school, old):
    new = school.laptop("SHC00700999")
    shutil.copytree(old.journal, new.journal, dirs_exist_ok=True)
    new.back_up()
    (school.state / "adoptions").mkdir()
    (school.state / "adoptions" / f"{old.home.name}-{new.home.name}").touch()
    # As the service holds it during a session.
    holder = subprocess.Popen(["flock", str(school.backups / "locks" / old.home.name), "sleep", "8"])
    try:
        done = school.command("adopt", "--requested")
    finally:
        holder.kill()
        holder.wait()
    assert (done.returncode, done.stdout.count(" backups of ")) == (0, 1)
    assert set(old.snapshots()) <= set(new.snapshots())
