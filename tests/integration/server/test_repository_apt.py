"""Debian's real apt takes packages from the running daemon."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from email.utils import formatdate

import pytest

from .test_server_http import ask


def run(*argv, **how):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, **how)
    assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def sign(server, root):
    """Write the indexes of what is in the pool, and sign them."""
    dist = root / "dists" / "bookworm"
    index = dist / "main" / "binary-amd64" / "Packages"
    index.parent.mkdir(parents=True, exist_ok=True)
    index.write_text(run("dpkg-scanpackages", "pool", cwd=root))
    digest = hashlib.sha256(index.read_bytes()).hexdigest()
    (dist / "Release").write_text(
        f"Codename: bookworm\nDate: {formatdate(usegmt=True).replace('GMT', 'UTC')}\nArchitectures: amd64\n"
        f"Components: main\nSHA256:\n {digest} {index.stat().st_size} main/binary-amd64/Packages\n"
    )
    gpg = ["gpg", "--homedir", server.state / "gnupg", "--batch", "--yes", "--clearsign"]
    run(*gpg, "--output", dist / "InRelease", dist / "Release")


@pytest.fixture
def tree(server):
    """A repository with one package, made and signed by Debian's own tools; behind a link, as on a server."""
    root = server.state / "states" / "1"
    deb = server.state / "hello" / "DEBIAN"
    deb.mkdir(parents=True)
    (deb / "control").write_text(
        "Package: hello-school\nVersion: 1~x+2\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    )
    pool = root / "pool" / "main"
    pool.mkdir(parents=True)
    run("dpkg-deb", "--build", "--root-owner-group", deb.parent, pool / "hello-school_1~x+2_all.deb")
    home = server.state / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    run(*gpg, "--quick-gen-key", "School <school@example.org>", "ed25519", "sign", "never")
    sign(server, root)
    run(*gpg, "--output", server.state / "key.gpg", "--export")
    (server.state / "current").symlink_to(root)
    server.configure(f"[repository]\nenabled = yes\nfolder = {server.state}/current\n", "conf.d/repository.conf")
    return root


@pytest.fixture
def apt(server, tree, tmp_path):
    """apt-get with everything of its own, and the daemon as its only source."""
    for folder in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "status").write_text("")
    source = f"deb [arch=amd64 signed-by={server.state}/key.gpg] {server.url}/repository bookworm main\n"
    (tmp_path / "sources.list").write_text(source)
    settings = tmp_path / "apt.conf"
    settings.write_text(f"""
        Dir::State "{tmp_path}/state"; Dir::State::status "{tmp_path}/status"; Dir::Cache "{tmp_path}/cache";
        Dir::Etc "{tmp_path}/etc"; Dir::Etc::SourceList "{tmp_path}/sources.list"; Dir::Etc::SourceParts "/dev/null";
        APT::Sandbox::User "root"; APT::Architecture "amd64"; Acquire::http::Proxy "false"; Debug::Acquire::http "1";
    """)

    def apt_get(*words):
        done = subprocess.run(
            ["apt-get", *words],
            env={"PATH": os.environ["PATH"], "APT_CONFIG": str(settings), "LC_ALL": "C.UTF-8"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return apt_get


def test_apt_updates_and_fetches(server, tree, apt, tmp_path):
    server.start()
    said = apt("update")
    assert "Get:1" in said
    assert "HTTP/1.1 200" in said
    again = apt("update")
    assert "Hit:1" in again
    assert "HTTP/1.1 304" in again
    apt("download", "hello-school")
    fetched = list(tmp_path.glob("*.deb"))
    assert len(fetched) == 1
    assert fetched[0].read_bytes() == next(tree.rglob("*.deb")).read_bytes()


def test_apt_goes_on_with_what_it_has(server, tree, apt, tmp_path):
    big = os.urandom(300_000)
    package = next(tree.rglob("*.deb"))
    data = server.state / "hello" / "usr" / "share" / "big"
    data.parent.mkdir(parents=True)
    data.write_bytes(big)
    run("dpkg-deb", "--build", "--root-owner-group", server.state / "hello", package)
    sign(server, tree)
    server.start()
    apt("update")
    partial = tmp_path / "cache/archives/partial/hello-school_1~x+2_all.deb"
    partial.write_bytes(package.read_bytes()[:200_000])
    shutil.copystat(package, partial)
    said = apt("install", "--download-only", "-y", "hello-school")
    assert "HTTP/1.1 206" in said
    assert (tmp_path / "cache/archives/hello-school_1~x+2_all.deb").read_bytes() == package.read_bytes()


def test_only_the_repository_is_handed_out(server, tree):
    (tree / "link").symlink_to("/etc/passwd")
    (tree / "circle").symlink_to("circle")
    os.mkfifo(tree / "pipe")
    (server.state / "secret").write_text("secret")
    server.start()
    assert ask(server, "GET", "/repository/dists/bookworm/Release")[0].status == 200
    for path in (
        "link",
        "circle",
        "pipe",
        "../secret",
        "%2e%2e/%2e%2e/secret",
        "dists",
        "dists/",
        "",
        "/etc/passwd",
        "a%00b",
    ):
        assert ask(server, "GET", f"/repository/{path}")[0].status == 404, path
    assert ask(server, "PUT", "/repository/dists/x")[0].status == 405


def test_the_daemon_follows_a_turned_link_and_is_off_by_default(server, tree):
    server.start()
    assert ask(server, "GET", "/repository/dists/bookworm/Release")[0].status == 200
    (server.state / "states" / "2").mkdir()
    (server.state / "next").symlink_to(server.state / "states" / "2")
    (server.state / "next").rename(server.state / "current")
    assert ask(server, "GET", "/repository/dists/bookworm/Release")[0].status == 404
    server.stop()
    server.configure("", "conf.d/repository.conf")
    server.start()
    assert ask(server, "GET", "/repository/dists/bookworm/Release")[0].status == 404
