"""The published tree is staged aside and put in place whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sugar_deploy.repository import tree
from sugar_deploy.repository.tree import put_in_place, remove, stage


@pytest.fixture
def aptlys(tmp_path: Path) -> Path:
    source = tmp_path / "aptly" / "public"
    for name in ("SHA512", "SHA256", "MD5Sum"):
        (source / "dists/trixie/by-hash" / name).mkdir(parents=True)
    (source / "dists/trixie/by-hash/SHA256/0a").write_text("index")
    (source / "dists/trixie/by-hash/SHA512/0a1b").write_text("index")
    (source / "dists/trixie/by-hash/SHA512/Packages").symlink_to(source / "dists/trixie/by-hash/SHA512/0a1b")
    (source / "dists/trixie/Release").write_text("release")
    (source / "dists/trixie/InRelease").write_text("signed by one key")
    (source / "dists/bookworm").mkdir()
    (source / "dists/bookworm/Release").write_text("no longer served")
    (source / "dists").chmod(0o700)
    (source / "dists/trixie/by-hash/SHA512/0a1b").chmod(0o600)
    return source


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_staging_leaves_out_what_no_client_reads_and_opens_modes(aptlys: Path, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    (staged / "half-done").mkdir(parents=True)
    stage(aptlys, staged, {"trixie"})
    assert _names(staged) == {"dists/trixie/Release", "dists/trixie/by-hash/SHA512/0a1b"}
    assert not (staged / "half-done").exists()
    assert [path.name for path in (staged / "dists/trixie/by-hash").iterdir()] == ["SHA512"]
    assert (staged / "dists").stat().st_mode & 0o777 == 0o755
    assert (staged / "dists/trixie/by-hash/SHA512/0a1b").stat().st_mode & 0o777 == 0o644


def test_a_file_system_without_hard_links_gets_copies(
    aptlys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    stage(aptlys, tmp_path / "staged", {"trixie"})
    assert (tmp_path / "staged/dists/trixie/by-hash/SHA512/0a1b").read_text() == "index"


@pytest.mark.parametrize("kernel_swaps", [True, False])
def test_the_new_tree_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_swaps: bool
) -> None:
    if not kernel_swaps:
        monkeypatch.setattr(tree, "_exchange", lambda _one, _other: False)
    published, staged = tmp_path / "public", tmp_path / "staged"
    for generation in ("first", "second", "third"):
        staged.mkdir()
        (staged / generation).touch()
        put_in_place(staged, published)
        assert _names(published) == {generation}
        assert [path.name for path in tmp_path.iterdir()] == ["public"]


def test_the_swap_needs_one_step_only(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    (one / "x").touch()
    assert tree._exchange(one, other)
    assert _names(other) == {"x"}
    assert _names(one) == set()
    assert not tree._exchange(one, tmp_path / "absent")


def test_removing_takes_links_files_trees_and_nothing(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "link").symlink_to(kept)
    (tmp_path / "file").touch()
    (tmp_path / "folder/inner").mkdir(parents=True)
    for name in ("link", "file", "folder", "nothing"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
