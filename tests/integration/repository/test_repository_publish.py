"""Publishing: no work without a change, the deployer's own packages, recovery, and silence about secrets."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.repository.verify import verify
from tests.integration.repository.bare import publish


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file's inode and time of change."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def _agents(folder: Folder) -> list[str]:
    """The command lines of GnuPG agents that still run for a deployment."""
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = cmdline.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if "gpg-agent" in text and str(folder.root) in text:
            found.append(text)
    return found


def _deb(folder: Path, name: str, version: str = "1", architecture: str = "all", text: str = "") -> Path:
    """A package made by hand."""
    tree = folder / f"{name}-tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
        f"Maintainer: Nobody <nobody@example.org>\nDescription: a test\n {text or name}\n"
    )
    deb = folder / f"{name}_{version}_{architecture}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, deb], check=True, capture_output=True)
    shutil.rmtree(tree)
    return deb


def test_a_second_publication_does_no_work(deployment: Folder, sources: Path) -> None:
    said: list[str] = []
    publish(deployment, "golden", sources=sources)
    before = _state(deployment.repository / "public") | _state(deployment.repository / "aptly")
    done = publish(deployment, "golden", said.append, sources=sources)
    assert not done.changed
    assert done.snapshot == (deployment.published / "snapshot").read_text().strip()
    assert said == []
    assert _state(deployment.repository / "public") | _state(deployment.repository / "aptly") == before


def test_the_snapshot_is_the_content_not_the_date(golden: Folder, sources: Path, tmp_path: Path) -> None:
    copy = Folder(tmp_path / "copy")
    shutil.copytree(golden.root, copy.root)
    shutil.rmtree(copy.published)
    shutil.rmtree(copy.repository / "aptly")
    done = publish(copy, "golden", sources=sources)
    assert done.changed
    assert done.snapshot == (golden.published / "snapshot").read_text().strip()
    assert len(done.snapshot) == 12


def test_the_deployers_packages_come_and_go(deployment: Folder, sources: Path, apt: Callable) -> None:
    first = publish(deployment, "golden", sources=sources).snapshot
    deployment.debs.mkdir()
    _deb(deployment.debs, "school-songs", "2.1")
    _deb(deployment.debs, "school-tool", "1", "armhf")
    second = publish(deployment, "golden", sources=sources)
    assert second.changed
    assert second.snapshot != first
    client = apt(deployment.published, deployment.repository_key, "trixie", "armhf")
    assert client("update").returncode == 0
    fetched = client("download", "school-songs", "school-tool", "hello-one")
    assert fetched.returncode == 0, fetched.stderr
    names = {one.name for one in verify(deployment.published, deployment.repository_key).packages}
    assert names == {"hello-one", "hello-two", "school-songs", "school-tool"}
    shutil.rmtree(deployment.debs)
    assert publish(deployment, "golden", sources=sources).snapshot == first
    assert not list(deployment.published.glob("pool/main/s/*/*.deb"))


def test_a_package_rebuilt_under_its_version_is_published_with_a_warning(deployment: Folder, sources: Path) -> None:
    deployment.debs.mkdir()
    _deb(deployment.debs, "school-songs", text="old songs")
    publish(deployment, "golden", sources=sources)
    shutil.rmtree(deployment.debs)
    deployment.debs.mkdir()
    new = _deb(deployment.debs, "school-songs", text="new songs")
    said: list[str] = []
    assert publish(deployment, "golden", said.append, sources=sources).changed
    assert any("school-songs has changed, but its version is 1 as before" in line for line in said)
    published = deployment.published / "pool/main/s/school-songs/school-songs_1_all.deb"
    assert published.read_bytes() == new.read_bytes()


def test_faulty_packages_are_named_before_anything_is_touched(deployment: Folder, sources: Path) -> None:
    deployment.debs.mkdir()
    bad = deployment.debs / "broken.deb"
    bad.write_bytes(b"not a package")
    with pytest.raises(UsageError, match=r"broken\.deb is no Debian package"):
        publish(deployment, "golden", sources=sources)
    bad.unlink()
    foreign = _deb(deployment.debs, "mainframe", architecture="s390x")
    with pytest.raises(UsageError, match=r"mainframe_1_s390x\.deb is for s390x"):
        publish(deployment, "golden", sources=sources)
    foreign.unlink()
    twin = _deb(deployment.debs, "hello-one", "1.0", text="an impostor")
    with pytest.raises(UsageError, match=r"both hello-one 1\.0 for all, yet they differ") as error:
        publish(deployment, "golden", sources=sources)
    assert str(twin) in str(error.value)
    verify(deployment.published, deployment.repository_key)


def test_a_damaged_tree_is_published_anew(deployment: Folder, sources: Path) -> None:
    package = deployment.published / "pool/main/h/hello-one/hello-one_1.0_all.deb"
    # In place, so that what is hard-linked to it in aptly's own pool is damaged as well.
    with package.open("r+b") as file:
        file.seek(100)
        file.write(b"damage")
    said: list[str] = []
    assert publish(deployment, "golden", said.append, sources=sources).changed
    assert any("hello-one_1.0_all.deb is broken" in line for line in said)
    verify(deployment.published, deployment.repository_key)


def test_a_ruined_database_is_made_again(deployment: Folder, sources: Path) -> None:
    for file in (deployment.repository / "aptly/db").iterdir():
        file.write_bytes(b"ruin")
    deployment.debs.mkdir()
    _deb(deployment.debs, "school-songs")
    assert publish(deployment, "golden", sources=sources).changed
    verify(deployment.published, deployment.repository_key)


def test_a_clone_without_the_gnupg_home_signs_with_the_same_key(
    golden: Folder, sources: Path, tmp_path: Path
) -> None:
    clone = Folder(tmp_path / "clone")
    shutil.copytree(golden.secrets, clone.secrets)
    done = publish(clone, "golden", sources=sources)
    assert done.snapshot == (golden.published / "snapshot").read_text().strip()
    verify(clone.published, golden.repository_key)


def test_a_folder_with_a_long_name_works(golden: Folder, sources: Path, tmp_path: Path) -> None:
    long = Folder(tmp_path / ("a-very-long-name-" * 8))
    shutil.copytree(golden.secrets, long.secrets)
    publish(long, "golden", sources=sources)
    verify(long.published, golden.repository_key)


def test_only_public_things_may_enter_version_control(deployment: Folder) -> None:
    # The versions of the configuration packages: kept as soon as there is a school.
    (deployment.repository / "configuration.json").touch()
    git = ["git", "-C", str(deployment.root)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "repository"], check=True)
    listed = subprocess.run([*git, "ls-files"], check=True, capture_output=True, text=True).stdout.split()
    assert listed == [f"repository/{name}" for name in (".gitignore", "configuration.json", "key.asc", "serial")]
    assert (deployment.repository / "gnupg").stat().st_mode & 0o777 == 0o700


SLOW_START = """
from pathlib import Path
from sugar_deploy.folder import Folder
from tests.integration.repository.bare import publish
publish(Folder(Path({root!r})), {name!r}, print, sources=Path({sources!r}))
"""

# What shows how far a publication has come, in the order of its steps.
STEPS = (
    "secrets/deployment.yml",
    "repository/gnupg/private-keys-v1.d/*.key",
    "repository/aptly/unfinished",
    "repository/aptly/db/*.log",
    "repository/aptly/public/dists/bookworm",
    "repository/aptly/public/dists/trixie",
    "repository/staged",
)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_publication_carries_on(
    step: str, tmp_path: Path, sources: Path, in_background: Callable, apt: Callable
) -> None:
    folder = Folder(tmp_path / "deployment")
    name = f"killed-{STEPS.index(step)}"
    process = in_background(SLOW_START.format(root=str(folder.root), name=name, sources=str(sources)))
    while process.poll() is None and not list(folder.root.glob(step)):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if folder.published.exists():
        verify(folder.published, folder.repository_key)
    publish(folder, name, sources=sources)
    verify(folder.published, folder.repository_key)
    assert apt(folder.published, folder.repository_key)("update").returncode == 0
    assert not (folder.repository / "aptly/unfinished").exists()
    assert not (folder.repository / "staged").exists()
    assert _agents(folder) == []


def test_a_reader_never_sees_half_a_tree(deployment: Folder, sources: Path) -> None:
    deployment.debs.mkdir()
    seen: set[str] = set()
    faults: list[str] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            # Opened once, the folder stays the same tree however often its name is given to another.
            descriptor = os.open(deployment.published, os.O_RDONLY)
            try:
                tree = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
                seen.add(verify(tree, deployment.repository_key).snapshot)
            except DeployError as error:
                # A tree that has just been replaced may be on its way out; the present one must be whole.
                if os.fstat(descriptor).st_ino == deployment.published.stat().st_ino:
                    faults.append(str(error))
            finally:
                os.close(descriptor)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(3):
            _deb(deployment.debs, f"songs-{number}")
            publish(deployment, "golden", sources=sources)
            time.sleep(0.2)
    finally:
        ended.set()
        reader.join()
    assert faults == []
    assert len(seen) >= 3


def test_no_secret_in_any_argv_environment_or_output(tmp_path: Path, sources: Path, in_background: Callable) -> None:
    folder = Folder(tmp_path / "deployment")
    secrets = Secrets(folder, "whisper")
    # Made beforehand, so that the scan knows what to look for while the key is made.
    passphrase = secrets.generate("repository_passphrase")
    process = in_background(SLOW_START.format(root=str(folder.root), name="whisper", sources=str(sources)))
    seen: dict[str, bytes] = {}
    while process.poll() is None:
        for path in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                try:
                    content = (path / name).read_bytes()
                except OSError:
                    continue
                if content:
                    seen[f"{path.name}/{name}/{content[:60]!r}"] = content
    output, _ = process.communicate()
    assert process.returncode == 0, output
    programs = {content.split(b"\0")[0].rsplit(b"/", 1)[-1] for key, content in seen.items() if "/cmdline" in key}
    assert {b"gpg", b"aptly"} <= programs, "the scan must have seen the programs at work"
    hidden = set(secrets.values())
    assert passphrase in hidden
    for value in hidden:
        assert value not in output
        assert [key for key, content in seen.items() if value.encode() in content] == []
    plain = [path for path in folder.root.rglob("*") if path.is_file()]
    for path in plain:
        assert passphrase.encode() not in path.read_bytes(), path
