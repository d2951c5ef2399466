"""The real rsync fetches published builds as olpc-update does, with everything that a system's files are."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import socket
import stat
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from tests.loopback import free_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes files of other owners")
NOBODY = 65534
TREE = (
    # name, type, mode, uid, gid, what: content, target of a link or numbers of a device
    ("./", tarfile.DIRTYPE, 0o755, 0, 0, None),
    ("./etc", tarfile.DIRTYPE, 0o755, 0, 0, None),
    ("./etc/shadow", tarfile.REGTYPE, 0o600, 0, 42, b"root:x\n"),
    ("./bin/su", tarfile.REGTYPE, 0o4755, 0, 0, b"\x7fELF" * 5000),
    ("./bin/sh", tarfile.SYMTYPE, 0o777, 0, 0, "/bin/su"),
    ("./bin/su2", tarfile.LNKTYPE, 0o4755, 0, 0, "./bin/su"),
    ("./home/olpc", tarfile.DIRTYPE, 0o700, 500, 500, None),
    ("./home/olpc/ñ", tarfile.REGTYPE, 0o644, 500, 500, b""),
    ("./dev/null", tarfile.CHRTYPE, 0o666, 0, 0, (1, 3)),
)


def pack(path, members, mode="w:xz"):
    with tarfile.open(path, mode) as tar:
        for name, kind, permissions, uid, gid, what in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid, info.mtime = kind, permissions, uid, gid, 1_300_000_000
            if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
                info.linkname = what
            elif kind == tarfile.CHRTYPE:
                info.devmajor, info.devminor = what
            data = what if isinstance(what, bytes) else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    path.with_name(path.name + ".md5").write_text(f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.name}\n")
    prefix = path.name.split("-tree")[0]
    path.with_name(f"{prefix}.contents").write_text('{"files": []}')
    path.with_name(f"{prefix}.name").write_text("801\n")
    return path


@pytest.fixture
def server(debian_server):
    """Its state belongs to nobody, as it belongs to sugar-server on a real one."""
    os.chown(debian_server.state, NOBODY, NOBODY)
    return debian_server


@pytest.fixture
def url(server):
    """The rsync daemon on a socket as systemd passes it, as nobody."""
    port = free_port()
    config = server.state / "builds" / "rsyncd.conf"
    argv = ["systemd-socket-activate", "--accept", "--inetd", "-l", f"127.0.0.1:{port}"]
    argv += ["/usr/bin/rsync", "--daemon", f"--config={config}"]
    process = subprocess.Popen(argv, user=NOBODY, group=NOBODY, extra_groups=[], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            break
        time.sleep(0.05)
    yield f"rsync://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def rsync(*words):
    return subprocess.run(["rsync", *map(str, words)], capture_output=True, text=True, timeout=30)


def tree(root):
    """What is there, by name: kind and mode, owner, group, content or target or numbers."""
    found = {}
    for path in sorted([root, *root.rglob("*")]):
        said = path.lstat()
        what = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else said.st_rdev
        what = None if path.is_dir() and not path.is_symlink() else what
        mode = 0 if path.is_symlink() else stat.S_IMODE(said.st_mode)
        name = str(path.relative_to(root))
        found[name] = (stat.S_IFMT(said.st_mode), mode, said.st_uid, said.st_gid, said.st_mtime, what)
    return found


def test_a_laptop_gets_the_tree_as_it_was_packed(server, url, tmp_path):
    packed = pack(tmp_path / "os801-tree.tar.xz", TREE)
    done = server.command("publish-build", str(packed))
    assert done.returncode == 0, done.stderr
    assert server.command("builds").stdout == "801\n"
    assert "build-801" in rsync(url).stdout
    assert rsync(f"{url}/build-801/contents", tmp_path / "contents").returncode == 0
    assert (tmp_path / "contents").read_text() == '{"files": []}'
    assert "root" in rsync(f"{url}/builds/801/").stdout
    fetched = rsync("-aHS", "--numeric-ids", f"{url}/build-801/root/", tmp_path / "got")
    assert fetched.returncode == 0, fetched.stderr
    (tmp_path / "expected").mkdir()
    subprocess.run(["tar", "-xpf", packed, "-C", tmp_path / "expected", "--numeric-owner"], check=True)
    # What tar makes without being told: the archive does not say how these are.
    unsaid = {"bin", "home", "dev"}
    expected = {name: entry for name, entry in tree(tmp_path / "expected").items() if name not in unsaid}
    got = tree(tmp_path / "got")
    assert {name: got.get(name) for name in expected} == expected
    assert (tmp_path / "got/bin/su").samefile(tmp_path / "got/bin/su2")


def test_nothing_on_the_server_is_a_link_or_a_device(server, tmp_path):
    assert server.command("publish-build", str(pack(tmp_path / "os801-tree.tar.xz", TREE))).returncode == 0
    for path in (server.state / "builds").rglob("*"):
        said = path.lstat()
        assert path.is_dir() or stat.S_ISREG(said.st_mode)
        assert said.st_uid == NOBODY
        assert not path.is_symlink()
        assert said.st_mode & 0o7007 == 0


def test_writing_is_refused_and_unpublishing_removes_the_module(server, url, tmp_path):
    server.command("publish-build", str(pack(tmp_path / "os801-tree.tar.xz", TREE)))
    for target in ("build-801/root/etc/", "builds/801/", "builds/"):
        written = rsync(tmp_path / "os801.name", f"{url}/{target}")
        assert written.returncode != 0
        assert "read only" in written.stderr
    assert rsync("--delete", "-r", f"{tmp_path}/", f"{url}/build-801/").returncode != 0
    assert server.command("unpublish-build", "801").returncode == 0
    assert "801" not in rsync(url).stdout
    assert rsync(f"{url}/build-801/").returncode != 0
    assert rsync(f"{url}/builds/").returncode == 0
    assert "No build is called" in server.command("unpublish-build", "801").stderr
    assert list((server.state / "builds" / "published").iterdir()) == []


def test_publishing_again_replaces(server, url, tmp_path):
    server.command("publish-build", str(pack(tmp_path / "a-tree.tar.xz", TREE)))
    newer = pack(tmp_path / "b-tree.tar.bz2", [("new", tarfile.REGTYPE, 0o644, 0, 0, b"x")], "w:bz2")
    assert server.command("publish-build", str(newer)).returncode == 0
    listed = rsync(f"{url}/build-801/root/").stdout
    assert "new" in listed
    assert "etc" not in listed


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (("../x", tarfile.REGTYPE, 0o644, 0, 0, b"x"), "elsewhere"),
        (("a/../../x", tarfile.REGTYPE, 0o644, 0, 0, b"x"), "elsewhere"),
        (("/etc/x", tarfile.REGTYPE, 0o644, 0, 0, b"x"), "elsewhere"),
        (("bin/sh/x", tarfile.REGTYPE, 0o644, 0, 0, b"x"), "cannot be unpacked"),
        (("hard", tarfile.LNKTYPE, 0o644, 0, 0, "/etc/passwd"), "elsewhere"),
        (("hard", tarfile.LNKTYPE, 0o644, 0, 0, "../../../registrations.db"), "elsewhere"),
    ],
)
def test_archives_that_would_write_elsewhere(server, tmp_path, member, reason):
    done = server.command("publish-build", str(pack(tmp_path / "os801-tree.tar.xz", [*TREE, member])))
    assert done.returncode == 1
    assert reason in done.stderr
    assert server.command("builds").stdout == ""
    assert not (server.state.parent / "x").exists()


def test_what_is_refused(server, tmp_path):
    packed = pack(tmp_path / "os801-tree.tar.xz", TREE)

    def refused(*words):
        done = server.command("publish-build", str(packed), *words)
        assert done.returncode == 1
        assert server.command("builds").stdout == ""
        return done.stderr

    for name in ("a/b", "..", "[x]", "a b", "a\nuid = root"):
        assert "no name for a build" in refused("--name", name)
    checksum = packed.with_name(packed.name + ".md5")
    good = checksum.read_text()
    checksum.write_text(good.replace(good[0], "0" if good[0] != "0" else "1", 1))
    assert "does not match its md5 checksum" in refused()
    checksum.unlink()
    assert "without a checksum" in refused()
    packed.with_name(packed.name + ".sha256").write_text(hashlib.sha256(packed.read_bytes()[:-9]).hexdigest())
    packed.write_bytes(packed.read_bytes()[:-9])
    assert "not a sound tar archive" in refused()
    packed.with_name("os801.contents").unlink()
    assert "no os801.contents beside it" in refused()


def test_an_interrupted_publication_leaves_nothing_that_is_offered(server, url, tmp_path):
    """What a kill leaves behind goes with the next command."""
    spare = server.state / "builds" / "spare" / "801.new" / "root"
    spare.mkdir(parents=True)
    for path in (spare, *list(spare.parents)[:3]):
        os.chown(path, NOBODY, NOBODY)
    assert server.command("builds").stdout == ""
    assert server.command("publish-build", str(pack(tmp_path / "os801-tree.tar.xz", TREE))).returncode == 0
    assert not spare.exists()
    assert "etc" in rsync(f"{url}/build-801/root/").stdout


def test_a_full_disk_leaves_what_was_offered_before(server, url, tmp_path):
    """A build is refused that would fill the disk, and one with too many files ends in the middle."""
    image, library = tmp_path / "image", tmp_path / "small"
    image.write_bytes(b"")
    os.truncate(image, 400 * 1024**2)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", "80", image], check=True)
    library.mkdir()
    subprocess.run(["mount", "-o", "loop", image, library], check=True)
    try:
        os.chown(library, NOBODY, NOBODY)
        server.state = library
        first = pack(tmp_path / "os801-tree.tar.xz", TREE)
        assert server.command("publish-build", str(first)).returncode == 0
        before = sorted(str(path) for path in (library / "builds" / "published").rglob("*"))
        large = (("./large", tarfile.REGTYPE, 0o644, 0, 0, bytes(200 * 1024**2)),)
        many = tuple(
            (f"./{number}", tarfile.REGTYPE, 0o644, 0, 0, b"x") for number in range(os.statvfs(library).f_ffree)
        )
        for members, why in ((large, "not enough room"), (many, "the disk is full")):
            done = server.command(
                "publish-build", str(pack(tmp_path / "os801-tree.tar.gz", (*TREE, *members), "w:gz"))
            )
            assert (done.returncode, why in done.stderr) == (1, True), done.stderr
            assert sorted(str(path) for path in (library / "builds" / "published").rglob("*")) == before
            assert not (library / "builds" / "spare").exists()
        # As a power cut leaves it between two renames.
        spare = library / "builds" / "spare"
        spare.mkdir()
        (library / "builds" / "published" / "801").rename(spare / "801.old")
        for path in (spare, spare.parent):
            os.chown(path, NOBODY, NOBODY)
        assert server.command("publish-build", str(first), "--name", "802").returncode == 0
        assert server.command("builds").stdout == "801\n802\n"
    finally:
        subprocess.run(["umount", "-l", library], check=True)


@pytest.fixture(autouse=True)
def tmp_path():
    """Where nobody may enter, and extended attributes are kept."""
    folder = Path(tempfile.mkdtemp(prefix="sugar-builds-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
