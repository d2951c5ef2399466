"""What the daemon and systemd say to each other, and the packages as Debian builds them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import urllib.request

import pytest

from tests.loopback import free_port

from .conftest import SOURCE, Server
from .laptop import made_up_key, register


def activated(server: Server, *ports: int) -> list[str]:
    listens = [word for port in ports for word in ("-l", f"127.0.0.1:{port}")]
    environment = [f"-E{name}" for name in ("PYTHONPATH", "NOTIFY_SOCKET", "WATCHDOG_USEC")]
    return ["systemd-socket-activate", *listens, *environment, *server.argv("serve", "--root", str(server.root))]


def test_both_sockets_are_served(server):
    other = free_port()
    server.start(activated(server, server.address[1], other))
    for port in (server.address[1], other):
        url = f"http://127.0.0.1:{port}"
        assert urllib.request.urlopen(url + "/health", timeout=5).status == 200
        assert register(url, "SHC00700123", "x", "", made_up_key())["success"] == "OK"


def test_ready_alive_and_stopping(server, monkeypatch):
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = str(server.root.parent / "notify")
    channel.bind(path)
    channel.settimeout(10)
    environment = {**server.environment(), "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "900000"}
    monkeypatch.setattr(server, "environment", lambda: environment)
    server.start()
    assert channel.recv(100) == b"READY=1"
    assert [channel.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    server.stop()
    seen = set()
    while b"STOPPING=1" not in seen:
        seen.add(channel.recv(100))
    assert seen <= {b"STOPPING=1", b"WATCHDOG=1"}
    channel.close()


def test_without_a_socket_it_says_what_to_do(debian_server):
    done = debian_server.command("serve", "--root", str(debian_server.root))
    assert done.returncode == 1
    assert "sugar-server.socket" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Our packages, built as the repository builds them."""
    folder = tmp_path_factory.mktemp("build")
    for name in ("sugar-server", "sugar-server-base", "downstream-server-demo"):
        shutil.copytree(SOURCE.parent / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(
            ["dpkg-buildpackage", "--build=binary", "--no-sign"], cwd=folder / name, check=True, capture_output=True
        )
    return folder


def test_lintian_finds_nothing(built):
    changes = sorted(built.glob("*.changes"))
    assert len(changes) == 3
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", *changes],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_installed_command_works(built, tmp_path):
    (package,) = built.glob("sugar-server_*_all.deb")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    assert not list(tmp_path.rglob("*.pyc"))
    command = (tmp_path / "usr/bin/sugar-server").read_text().replace("/usr/share", f"{tmp_path}/usr/share")
    done = subprocess.run(
        ["/usr/bin/python3", "-I", "-", "--version"], input=command, capture_output=True, text=True, check=True
    )
    assert done.stdout == "sugar-server 0.2.0\n"


def test_the_base_makes_the_user_and_its_folder(built, tmp_path):
    (package,) = built.glob("sugar-server-base_*_all.deb")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}"], check=True, capture_output=True)
    assert "sugar-server:" in (tmp_path / "etc/passwd").read_text()
    subprocess.run(["systemd-tmpfiles", f"--root={tmp_path}", "--create"], check=True, capture_output=True)
    users = {line.split(":")[0]: line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    library = [("sugar-server", f"sugar-library{folder}") for folder in ("", "/activities", "/builds")]
    for user, folder in (("sugar-server", "sugar-server"), ("sugar-backup", "sugar-backup"), *library):
        state = (tmp_path / "var/lib" / folder).stat()
        assert state.st_mode & 0o777 == 0o750
        assert state.st_uid == int(users[user][2])
        # Each reads what the other keeps.
        assert state.st_gid == int(users["sugar-server"][3])


def test_purging_keeps_what_nobody_can_get_again(built, tmp_path):
    """The package's own script, on folders as a school has them."""
    (package,) = built.glob("sugar-server_*_all.deb")
    subprocess.run(["dpkg-deb", "--control", package, tmp_path / "control"], check=True)
    script = tmp_path / "postrm"
    state = tmp_path / "var/lib"
    text = (tmp_path / "control/postrm").read_text().partition("# Automatically added")[0]
    script.write_text(text.replace("/var/lib/", f"{state}/"))
    kept = (state / "sugar-library/activities/own.xo", state / "sugar-backup/SHC00700123/entry")
    gone = (state / "sugar-library/builds/published/801/contents", state / "sugar-server/registrations.db")
    for path in (*kept, *gone):
        path.parent.mkdir(parents=True)
        path.touch()
    for word in ("remove", "purge"):
        assert all(path.exists() for path in (*kept, *gone))
        subprocess.run(["sh", "-e", script, word], check=True)
    assert [path.exists() for path in (*kept, *gone)] == [True, True, False, False]
    kept[0].unlink()
    subprocess.run(["sh", "-e", script, "purge"], check=True)
    assert not (state / "sugar-library").exists()
