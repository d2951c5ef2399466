"""A yum repository, built once; each test has a copy of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sugar_deploy.folder import Folder
from sugar_deploy.keys.repository_key import signing_key
from sugar_deploy.repository.rpm.yum import add_yum, built_yum
from tests.integration.repository.rpm.laptop import NAME, PEERS, SCHOOL, Published, Rpm, plan, quiet, run


@pytest.fixture(scope="package")
def published_once(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    root = tmp_path_factory.mktemp("a folder with spaces")
    folder = Folder(root / "lima")
    built = built_yum(folder, plan(SCHOOL, SCHOOL, PEERS), quiet)
    assert built is not None
    tree = root / "tree"
    tree.mkdir()
    with signing_key(folder, NAME) as (gpg, key):
        add_yum(tree, built, gpg, (key.fingerprint,))
    return Published(folder, tree)


@pytest.fixture
def published(published_once: Published, tmp_path: Path) -> Published:
    """A deployment and a tree of the test's own."""
    folder = Folder(tmp_path / "a folder with spaces" / "lima")
    shutil.copytree(published_once.folder.root, folder.root)
    shutil.copytree(published_once.tree, tmp_path / "tree")
    return Published(folder, tmp_path / "tree")


@pytest.fixture
def rpm_root(published: Published, tmp_path: Path) -> Rpm:
    """rpm with an empty root, which trusts our key alone."""
    root = tmp_path / "root"
    root.mkdir()

    def rpm(*arguments: object) -> subprocess.CompletedProcess[str]:
        return run("rpm", "--root", root, "--define", "_pkgverify_level all", *arguments)

    assert rpm("--import", published.key).returncode == 0
    return rpm
