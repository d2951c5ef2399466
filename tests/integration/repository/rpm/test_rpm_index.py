"""The yum repository as dnf sees it, and as it is proved without rpm's help."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.folder import Folder
from sugar_deploy.keys.repository_key import signing_key
from sugar_deploy.repository.rpm.verify import YumFault, proved_files
from sugar_deploy.repository.rpm.yum import built_yum
from sugar_deploy.repository.signature import keyring
from sugar_deploy.repository.verify import BrokenTree, verify
from tests.integration.repository.bare import publish
from tests.integration.repository.rpm.laptop import PEERS, SCHOOL, Published, Rpm, plan, quiet, run


@pytest.fixture
def dnf(published: Published, tmp_path: Path) -> Rpm:
    """dnf with a root of its own, which knows our repository alone and checks index and packages."""
    (tmp_path / "repos").mkdir()
    (tmp_path / "repos/lima.repo").write_text(
        f"[lima]\nname=lima\nbaseurl=file://{published.yum}/\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\n"
        f"gpgkey=file://{published.key}\n"
    )
    root = tmp_path / "dnf-root"
    root.mkdir()
    options = [f"--installroot={root}", "--releasever=18", "--noplugins", f"--setopt=reposdir={tmp_path / 'repos'}"]
    options += [f"--setopt={name}={tmp_path / name}" for name in ("cachedir", "persistdir")]

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return run("dnf", "-y", *options, *arguments)
        finally:
            for home in (tmp_path / "cachedir").glob("*/pubring"):
                run("gpgconf", "--homedir", home, "--kill", "all")

    return call


def test_dnf_installs_from_the_signed_index(published: Published, dnf: Rpm, tmp_path: Path) -> None:
    done = dnf("install", "lima-online-peers-client")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "dnf-root/etc/gconf/gconf.xml.lima-online-peers-client/%gconf-tree.xml"
    assert "<stringvalue>meet.example.org</stringvalue>" in path.read_text()
    assert (tmp_path / "dnf-root/etc/yum.repos.d/lima.repo").is_file(), "what it depends on came too"


def test_dnf_refuses_an_index_that_was_changed(published: Published, dnf: Rpm) -> None:
    repomd = published.yum / "repodata/repomd.xml"
    repomd.write_text(repomd.read_text().replace("<revision>", "<revision>1"))
    done = dnf("install", "lima-client-config")
    assert done.returncode != 0
    assert "Bad GPG signature" in done.stderr + done.stdout


def test_dnf_refuses_a_package_that_was_changed(published: Published, dnf: Rpm, tmp_path: Path) -> None:
    rpm = published.rpm("client-config")
    content = bytearray(rpm.read_bytes())
    content[-100] ^= 0xFF
    rpm.write_bytes(content)
    assert dnf("install", "lima-client-config").returncode != 0
    assert not (tmp_path / "dnf-root/etc/yum.repos.d").exists()


def prove(published: Published) -> set[str]:
    with keyring(published.folder.repository_key) as keys:
        return {str(path.relative_to(published.tree)) for path in proved_files(published.tree, keys)}


def test_every_file_is_proved_by_the_repositorys_own_key(published: Published) -> None:
    there = {str(path.relative_to(published.tree)) for path in published.tree.rglob("*") if path.is_file()}
    assert prove(published) == there
    assert "yum/RPM-GPG-KEY-lima" in there


def test_a_tree_without_yum_has_nothing_to_prove(published: Published) -> None:
    shutil.rmtree(published.yum)
    assert prove(published) == set()


def _damage(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b" ")


@pytest.mark.parametrize(
    ("pattern", "harm", "why"),
    [
        ("*config*.rpm", _damage, "its SHA-256 is not the one that was signed"),
        ("*config*.rpm", Path.unlink, "it is missing"),
        ("RPM-GPG-KEY-lima", _damage, "its SHA-256 is not the one that was signed"),
        ("repodata/repomd.xml", _damage, "its SHA-256 is not the one that was signed"),
        ("repodata/*primary*", Path.unlink, "it is missing"),
        ("repodata/repomd.xml.asc", Path.unlink, "it is missing"),
        ("SHA256SUMS", _damage, "it is not what was signed"),
        ("SHA256SUMS.asc", Path.unlink, "it is missing"),
    ],
)
def test_whatever_is_wrong_is_named(
    published: Published, pattern: str, harm: Callable[[Path], None], why: str
) -> None:
    file = next(published.yum.glob(pattern))
    harm(file)
    with pytest.raises(YumFault) as fault:
        prove(published)
    assert (fault.value.path, fault.value.why) == (file, why)


def test_a_file_that_nobody_signed_is_named(published: Published) -> None:
    stranger = published.yum / "stranger.rpm"
    stranger.write_text("malice")
    with pytest.raises(YumFault, match="does not belong to the repository") as fault:
        prove(published)
    assert fault.value.path == stranger


def test_another_deployments_key_is_not_ours(published: Published, tmp_path: Path) -> None:
    other = Folder(tmp_path / "other")
    with signing_key(other, "other"), keyring(other.repository_key) as keys, pytest.raises(YumFault) as fault:
        proved_files(published.tree, keys)
    assert fault.value.why == "it is signed by another key"


def test_repo_verify_covers_the_yum_repository(published: Published, deployment: Folder, sources: Path) -> None:
    built = built_yum(published.folder, plan(SCHOOL, SCHOOL, PEERS), quiet)
    without = verify(deployment.published, deployment.repository_key).snapshot
    done = publish(deployment, "golden", sources=sources, yum=built)
    assert done.snapshot != without, "laptops' settings belong to the snapshot"
    tree = deployment.published
    there = {path for path in tree.rglob("*") if path.is_file()}
    assert verify(tree, deployment.repository_key).files == there
    repomd = tree / "yum/repodata/repomd.xml"
    _damage(repomd)
    with pytest.raises(BrokenTree) as broken:
        verify(tree, deployment.repository_key)
    assert broken.value.path == repomd
