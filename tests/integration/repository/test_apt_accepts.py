"""The real apt takes what is published, and refuses whatever has been touched; so does `repo verify`."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.folder import Folder
from sugar_deploy.keys.armor import dearmor
from sugar_deploy.keys.repository_key import signing_key
from sugar_deploy.repository.signing import sign_tree
from sugar_deploy.repository.verify import BrokenTree, verify
from sugar_deploy.resources import resource
from tests.integration.repository.bare import publish


@pytest.mark.parametrize("distribution", ["bookworm", "trixie"])
@pytest.mark.parametrize("architecture", ["amd64", "arm64", "i386", "armhf"])
def test_apt_downloads_from_every_suite_on_every_architecture(
    golden: Folder, apt: Callable, distribution: str, architecture: str
) -> None:
    client = apt(golden.published, golden.repository_key, distribution, architecture)
    update = client("update")
    assert update.returncode == 0, update.stderr
    assert "W:" not in update.stderr
    download = client("download", "hello-one", "hello-two")
    assert download.returncode == 0, download.stderr
    for name in ("hello-one", "hello-two"):
        fetched = (client.root / f"{name}_1.0_all.deb").read_bytes()
        assert fetched == (golden.published / f"pool/main/h/{name}/{name}_1.0_all.deb").read_bytes()


def test_the_release_names_the_deployment_and_offers_indexes_by_hash(golden: Folder) -> None:
    for distribution in ("bookworm", "trixie"):
        lines = (golden.published / "dists" / distribution / "Release").read_text().splitlines()
        assert "Origin: golden" in lines
        assert "Label: golden" in lines
        assert f"Codename: {distribution}" in lines
        assert "Acquire-By-Hash: yes" in lines
        assert "Components: main" in lines
        architectures = next(line for line in lines if line.startswith("Architectures:"))
        assert set(architectures.split()[1:]) == {"all", "amd64", "arm64", "armhf", "i386"}


def test_apts_own_words_for_a_clock_that_is_behind_are_understood(
    deployment: Folder, apt: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(resource("collections")))
    clock = importlib.import_module("ansible_collections.sugar.deploy.plugins.module_utils.clock")
    ahead = time.time() + 40 * 86400
    with signing_key(deployment, "golden") as (gpg, key):
        sign_tree(gpg, [key.fingerprint], deployment.published, ["bookworm"], ahead)
    client = apt(deployment.published, deployment.repository_key)
    update = client("update", "-o", "Acquire::Check-Date=true", "-o", "APT::Update::Error-Mode=any")
    assert update.returncode != 0
    told = clock.remedy(update.stderr, time.time())
    minutes = {time.strftime("%Y-%m-%d %H:%M", time.gmtime(ahead + more)) for more in (0, 60)}
    assert any(f"the repository was signed on {one} UTC" in told for one in minutes), told


def test_apt_finds_its_indexes_by_hash(deployment: Folder, apt: Callable) -> None:
    named = list(deployment.published.glob("dists/bookworm/main/binary-*/Packages*"))
    assert named
    for index in named:
        index.unlink()
    client = apt(deployment.published, deployment.repository_key)
    assert client("update").returncode == 0
    assert client("download", "hello-one").returncode == 0


def test_a_missing_or_touched_index_by_hash_is_named(deployment: Folder) -> None:
    folder = deployment.published / "dists/trixie/main/binary-arm64/by-hash/SHA512"
    indexes = sorted(folder.iterdir())
    assert len(indexes) == 3, "Packages, Packages.gz and Release"
    content = indexes[0].read_bytes()
    indexes[0].unlink()
    with pytest.raises(BrokenTree, match="it is missing") as broken:
        verify(deployment.published, deployment.repository_key)
    assert broken.value.path == indexes[0]
    indexes[0].write_bytes(content + b"x")
    with pytest.raises(BrokenTree, match="its SHA512 is not its name") as broken:
        verify(deployment.published, deployment.repository_key)
    assert broken.value.path == indexes[0]


def test_the_tree_can_be_served_and_copied(golden: Folder) -> None:
    paths = list(golden.published.rglob("*"))
    assert not [path for path in paths if path.is_symlink()], "links would break on another machine"
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o644}


def test_sqv_as_in_trixie_accepts_the_signature(golden: Folder, tmp_path: Path) -> None:
    release = golden.published / "dists/trixie/Release"
    argv = ["sqv", "--keyring", str(golden.repository_key), str(release.with_name("Release.gpg"))]
    good = subprocess.run([*argv, str(release)], capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    touched = tmp_path / "Release"
    touched.write_bytes(release.read_bytes().replace(b"golden", b"gilded"))
    assert subprocess.run([*argv, str(touched)], capture_output=True, check=False).returncode != 0


def _flip(path: Path, before: bytes, after: bytes) -> None:
    """Change bytes without changing the size, in a file of its own inode."""
    content = path.read_bytes()
    assert before in content
    assert len(before) == len(after)
    path.unlink()
    path.write_bytes(content.replace(before, after, 1))


TAMPERED = {
    "dists/bookworm/InRelease": (b"Origin: golden", b"Origin: gilded"),
    "dists/bookworm/main/binary-amd64/Packages": (b"Version: 1.0", b"Version: 6.6"),
    "pool/main/h/hello-one/hello-one_1.0_all.deb": (b"2.0\n", b"2.1\n"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_touched_file_is_named_by_verify_and_refused_by_apt(deployment: Folder, apt: Callable, name: str) -> None:
    verify(deployment.published, deployment.repository_key)
    _flip(deployment.published / name, *TAMPERED[name])
    with pytest.raises(BrokenTree) as broken:
        verify(deployment.published, deployment.repository_key)
    assert broken.value.path == deployment.published / name
    if name.endswith("Packages"):
        # apt fetches by hash, or compressed: touch those too, or it never sees the bad one.
        for copy in deployment.published.glob("dists/bookworm/main/binary-*/Packages.gz"):
            copy.unlink()
        for copy in deployment.published.glob("dists/bookworm/main/binary-amd64/by-hash/*/*"):
            copy.unlink()
    client = apt(deployment.published, deployment.repository_key)
    update, download = client("update"), client("download", "hello-one")
    assert update.returncode or download.returncode, update.stderr + download.stderr
    fetched = client.root / "hello-one_1.0_all.deb"
    original = deployment.published / "pool/main/h/hello-one/hello-one_1.0_all.deb"
    assert not fetched.exists() or not name.endswith(".deb") or fetched.read_bytes() != original.read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "dists/trixie/Release",
        "dists/trixie/Release.gpg",
        "dists/bookworm/main/binary-armhf/Packages.gz",
        "dists/trixie/main/binary-all/Release",
        "snapshot",
    ],
)
def test_a_missing_file_is_named(deployment: Folder, name: str) -> None:
    (deployment.published / name).unlink()
    with pytest.raises(BrokenTree) as broken:
        verify(deployment.published, deployment.repository_key)
    assert broken.value.path == deployment.published / name


def test_a_shortened_package_and_a_false_snapshot_are_named(deployment: Folder) -> None:
    snapshot = deployment.published / "snapshot"
    right = snapshot.read_text()
    snapshot.write_text("0123456789ab\n")
    with pytest.raises(BrokenTree, match="snapshot"):
        verify(deployment.published, deployment.repository_key)
    snapshot.write_text(right)
    package = deployment.published / "pool/main/h/hello-two/hello-two_1.0_all.deb"
    content = package.read_bytes()
    package.unlink()
    package.write_bytes(content[:-1])
    with pytest.raises(BrokenTree, match=rf"hello-two_1.0_all.deb.*{len(content) - 1} bytes instead of"):
        verify(deployment.published, deployment.repository_key)


def test_an_older_distribution_under_a_newer_name_is_refused(deployment: Folder) -> None:
    dists = deployment.published / "dists"
    shutil.rmtree(dists / "trixie")
    shutil.copytree(dists / "bookworm", dists / "trixie")
    with pytest.raises(BrokenTree, match="signed for bookworm, not for trixie"):
        verify(deployment.published, deployment.repository_key)


def test_another_key_is_refused(golden: Folder, apt: Callable, tmp_path: Path, sources: Path) -> None:
    other = Folder(tmp_path / "other")
    publish(other, "other", sources=sources)
    assert dearmor(other.repository_key.read_text()) != dearmor(golden.repository_key.read_text())
    with pytest.raises(BrokenTree, match="InRelease is broken: it is signed by another key"):
        verify(golden.published, other.repository_key)
    update = apt(golden.published, other.repository_key)("update")
    assert update.returncode != 0
    assert "NO_PUBKEY" in update.stderr
