"""Activities from a stick: its manifest is made by the real sha1sum, and what is wrong with it is told by name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest
from sugar_server.library.stick import TAKEN as BY_SERVER

from sugar_deploy.image.media.layout import Wanted, places
from sugar_deploy.image.media.school import TAKEN as LAID_OUT
from sugar_deploy.image.media.write import write_image
from tests.bundles import activity, content


@pytest.fixture
def stick(tmp_path):
    """The folder of a stick with two activities, one content bundle, a sidecar and a text that nobody takes."""
    folder = tmp_path / "usb" / "xs-activity-server"
    folder.mkdir(parents=True)
    activity(folder / "Paint-3.xo", version="3")
    activity(folder / "señal *.xo", "org.example.Señal", version="1.2", name="Señal")
    content(folder / "atlas.xol", version="2")
    (folder / "school.info").write_text("[org.example.Paint]\ndescription = For everyone\n")
    (folder / "README").write_text("made by hand\n")
    seal(folder)
    return folder


def seal(folder, program="sha1sum"):
    name = f"manifest.{program.removesuffix('sum')}"
    (folder / name).unlink(missing_ok=True)
    files = sorted(path.name for path in folder.iterdir())
    made = subprocess.run([program, "--", *files], cwd=folder, capture_output=True, check=True)
    (folder / name).write_bytes(made.stdout)


@pytest.fixture
def library(debian_server):
    folder = debian_server.state / "library"
    debian_server.configure(f"[library]\nfolder = {folder}\nlargest_mib = 64\n")
    return folder


def imported(server, folder):
    argv = [server.python, "-m", "sugar_server", "import-activities", str(folder), "--root", str(server.root)]
    return subprocess.run(argv, env=server.environment(), capture_output=True, text=True)


def state(library):
    """Each file's name with what tells whether it is the same one still."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in library.iterdir()}


TAKEN = {"org.example.Paint-3.xo", "org.example.Se_al-1.2.xo", "org.example.atlas-2.xol", "school.info"}


@pytest.mark.parametrize("program", ["sha1sum", "sha256sum"])
def test_all_of_it_and_again(debian_server, library, stick, program):
    if program != "sha1sum":
        (stick / "manifest.sha1").unlink()
        seal(stick, program)
    os.utime(stick / "Paint-3.xo", (1_400_000_000, 1_400_000_000))
    done = imported(debian_server, stick.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(state(library)) == TAKEN
    assert (library / "org.example.Paint-3.xo").read_bytes() == (stick / "Paint-3.xo").read_bytes()
    assert (library / "org.example.Paint-3.xo").stat().st_mtime == 1_400_000_000
    before = state(library)
    again = imported(debian_server, stick)
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert state(library) == before


def test_everything_that_is_wrong_is_told_and_nothing_is_taken(debian_server, library, stick):
    activity(stick / "Later.xo", "org.example.Later")
    (stick / "atlas.xol").unlink()
    done = imported(debian_server, stick)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "atlas.xol: is in the manifest, and not on the stick",
        "Later.xo: is not in the manifest",
    ]
    (stick / "Later.xo").unlink()
    content(stick / "atlas.xol", version="2")
    seal(stick)
    for name in ("Paint-3.xo", "README"):  # as a worn-out stick gives them
        damaged = bytearray((stick / name).read_bytes())
        damaged[len(damaged) // 2] ^= 1
        (stick / name).write_bytes(damaged)
    done = imported(debian_server, stick)
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["Paint-3.xo", "README"]
    assert "nothing of it was taken" in done.stderr
    assert not TAKEN & set(state(library))


@pytest.mark.parametrize(
    "line",
    [
        "da39a3ee5e6b4b0d3255bfef95601890afd80709  ../Paint-3.xo",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709  sub/Paint-3.xo",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709  Paint-3.xo",
        "d41d8cd98f00b204e9800998ecf8427e  Paint-3.xo",
        "nonsense",
    ],
)
def test_a_manifest_that_is_none(debian_server, library, stick, line):
    with (stick / "manifest.sha1").open("a") as manifest:
        manifest.write(line + "\n")
    done = imported(debian_server, stick)
    assert done.returncode == 1
    assert done.stdout.startswith("manifest.sha1:6: ")
    assert "Traceback" not in done.stderr
    assert not library.exists()


def test_a_stick_without_manifest(debian_server, library, tmp_path):
    done = imported(debian_server, tmp_path)
    assert (done.returncode, "sha1sum -- * > manifest.sha1" in done.stdout) == (1, True)


def test_a_link_leads_to_no_file_of_the_servers(debian_server, library, stick):
    """The command is root's: a link could have it hand out what only root may read."""
    (stick / "passwords.info").symlink_to("/etc/shadow")
    os.mkfifo(stick / "pipe.info")
    with (stick / "manifest.sha1").open("a") as manifest:
        manifest.write("da39a3ee5e6b4b0d3255bfef95601890afd80709  passwords.info\n")
        manifest.write("da39a3ee5e6b4b0d3255bfef95601890afd80709  pipe.info\n")
    done = imported(debian_server, stick)
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["passwords.info", "pipe.info"]


def test_a_bundle_that_sugar_could_not_install_is_left_out(debian_server, library, stick):
    (stick / "bad.xo").write_bytes(b"PK")
    shutil.copy(stick / "Paint-3.xo", stick / "the same.xo")
    seal(stick)
    done = imported(debian_server, stick)
    assert done.returncode == 1
    assert "bad.xo: it is not a ZIP file" in done.stdout
    assert "the same.xo: is in the library as org.example.Paint-3.xo" in done.stdout
    assert set(state(library)) == TAKEN


def test_killed_in_the_middle_and_carried_on(debian_server, library, stick):
    for number in range(40):
        activity(stick / f"big{number:02}.xo", f"org.example.Big{number}", files={"data": os.urandom(500_000)})
    seal(stick)
    argv = [debian_server.python, "-m", "sugar_server", "import-activities", str(stick)]
    argv += ["--root", str(debian_server.root)]
    incoming = library / ".import"
    with subprocess.Popen(argv, env=debian_server.environment(), stdout=subprocess.DEVNULL) as killed:
        deadline = time.monotonic() + 20
        while not incoming.is_dir() or len(list(incoming.iterdir())) < 10:
            assert killed.poll() is None and time.monotonic() < deadline
            time.sleep(0.001)
        killed.send_signal(signal.SIGKILL)
    copied = {path.name: path.stat().st_ino for path in incoming.iterdir() if path.suffix == ".xo"}
    assert copied
    assert not [path for path in library.iterdir() if path.suffix]  # nothing has its name yet
    assert imported(debian_server, stick).returncode == 0
    assert len(state(library)) == 44
    inodes = {inode for inode, _ in state(library).values()}
    assert set(copied.values()) <= inodes


def test_a_full_disk(debian_server, library, stick):
    library.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", library], check=True)
    try:
        done = imported(debian_server, stick)
        assert (done.returncode, "there is no room for the stick" in done.stderr) == (1, True)
        assert not TAKEN & set(state(library))
    finally:
        subprocess.run(["umount", "-l", library], check=True)


def test_a_card_of_image_media(debian_server, library, stick, tmp_path):
    assert LAID_OUT == BY_SERVER
    (stick / "señal *.xo").rename(stick / "A long name for FAT and with-blanks 1.2.xo")
    write_image(places(Wanted(library=[stick])), tmp_path / "card.img")
    card = tmp_path / "card"
    card.mkdir()
    mtools = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}
    argv = ["mcopy", "-s", "-Q", "-i", f"{tmp_path / 'card.img'}@@{2048 * 512}", "::", card]
    subprocess.run(argv, env=mtools, check=True)
    # What nobody takes, and the manifest of the folder that it comes from, stay where they are.
    assert {path.name for path in (card / "xs-activity-server").iterdir()} == {
        *("Paint-3.xo", "A long name for FAT and with-blanks 1.2.xo", "atlas.xol", "school.info", "manifest.sha256")
    }
    done = imported(debian_server, card)
    assert (done.returncode, set(state(library))) == (0, TAKEN), done.stdout + done.stderr
    (card / "xs-activity-server" / "atlas.xol").write_bytes(b"damaged")
    done = imported(debian_server, card)
    assert (done.returncode, "atlas.xol" in done.stdout) == (1, True)
