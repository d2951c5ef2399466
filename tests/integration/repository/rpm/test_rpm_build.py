"""Building: the same content gives the same bytes, and nothing is built twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.rpm_key import PRIVATE_KEY, rpm_key
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.repository.rpm.yum import built_yum
from tests.integration.repository.rpm.laptop import (
    NAME,
    PEERS,
    SCHOOL,
    Published,
    plan,
    quiet,
)


def test_the_same_content_is_built_as_the_same_bytes(published: Published) -> None:
    area = published.folder.repository / "yum"
    first = built_yum(published.folder, plan(SCHOOL, SCHOOL, PEERS), quiet)
    assert first is not None
    before = _bytes(first)
    assert len(before) == 3 + 1 + 1 + 5, "packages, key, sums, index"
    shutil.rmtree(first)
    assert built_yum(published.folder, plan(SCHOOL, SCHOOL, PEERS), quiet) == first
    assert _bytes(first) == before
    assert [path.name for path in area.iterdir() if path.is_dir()] == [first.name]


def _bytes(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_nothing_is_built_twice(published: Published) -> None:
    said: list[str] = []
    first = built_yum(published.folder, plan(SCHOOL, SCHOOL, PEERS), said.append)
    assert said == []
    changed = built_yum(published.folder, plan(PEERS), said.append)
    assert first is not None
    assert changed is not None
    assert len(said) == 1
    assert changed.name > first.name


def test_a_damaged_build_is_made_again(published: Published, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "own")
    shutil.copytree(published.folder.root, folder.root)
    built = built_yum(folder, plan(SCHOOL, SCHOOL, PEERS), quiet)
    assert built is not None
    (built / "repodata/repomd.xml").write_text("cut off")
    said: list[str] = []
    assert built_yum(folder, plan(SCHOOL, SCHOOL, PEERS), said.append) == built
    assert len(said) == 1
    assert "cut off" not in (built / "repodata/repomd.xml").read_text()


def test_no_school_no_repository(tmp_path: Path) -> None:
    assert built_yum(Folder(tmp_path), plan(), quiet) is None
    assert list(tmp_path.iterdir()) == []


def test_the_key_is_kept_encrypted_and_comes_back(published: Published) -> None:
    folder = published.folder
    key = rpm_key(Secrets(folder, NAME), NAME)
    assert key.public == published.key.read_text()
    assert "PRIVATE" not in repr(key)
    body = key.pem.splitlines()[5]
    for path in [*folder.root.rglob("*"), *published.tree.rglob("*")]:
        if path.is_file():
            content = path.read_bytes()
            assert b"PRIVATE KEY" not in content, path
            assert body.encode() not in content, path


def test_what_killed_builds_left_and_what_is_too_old_goes(published: Published) -> None:
    area = published.folder.repository / "yum"
    current = built_yum(published.folder, plan(SCHOOL, SCHOOL, PEERS), quiet)
    assert current is not None
    old = [area / f"1.2000010100000{number}.aaaaaaaa" for number in range(6)]
    for folder in [*old, area / ".1.20010101000000.bbbbbbbb.killed"]:
        folder.mkdir()
    assert built_yum(published.folder, plan(SCHOOL, SCHOOL, PEERS), quiet) == current
    left = {path.name for path in area.iterdir() if path.is_dir()}
    assert left == {current.name, *(folder.name for folder in old[-4:])}, "five, as repository.keep says by default"


def test_a_missing_program_is_named_with_its_package(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DeployError, match="apt-get install createrepo-c rpm"):
        built_yum(published.folder, plan(PEERS), quiet)


def test_a_damaged_key_is_refused(published: Published) -> None:
    Secrets(published.folder, NAME).set(PRIVATE_KEY, "no key")
    with pytest.raises(DeployError, match=r"rpm_private_key is no RSA key.*Restore it"):
        built_yum(published.folder, plan(PEERS), quiet)
