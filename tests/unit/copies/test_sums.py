"""The hashes of a saved tree: what is read, what is not read again, and what is found damaged."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils import sums
from ansible_collections.sugar.deploy.plugins.module_utils.sums import Sums


def nobody(_done: int) -> None:
    """Listens to how far it is."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "ana" / "one").mkdir(parents=True)
    (root / "ana" / "two").mkdir()
    (root / "ana" / "one" / "photo").write_bytes(b"x" * 1000)
    (root / "ana" / "two" / "photo").hardlink_to(root / "ana" / "one" / "photo")
    (root / "ana" / "two" / "own").write_bytes(b"two")
    Path(os.fsdecode(os.fsencode(root) + b"/ana/ni\xf1o")).write_bytes(b"latin")
    (root / "ana" / "latest").symlink_to("two")
    return root


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read."""
    names: list[str] = []
    real = sums.sha256

    def hashed(path: str | bytes) -> str:
        names.append(Path(os.fsdecode(path)).name)
        digest: str = real(path)
        return digest

    monkeypatch.setattr(sums, "sha256", hashed)
    return names


def test_what_is_linked_counts_and_is_read_once(tree: Path, tmp_path: Path, read: list[str]) -> None:
    index = tmp_path / "index"
    assert Sums(tree, index).renew(nobody) == (3, 1008)
    assert sorted(read) == ["ni\udcf1o", "own", "photo"]
    assert index.stat().st_mode & 0o777 == 0o600
    found = dict(sqlite3.connect(index).execute("SELECT path, sha256 FROM files"))
    assert found[b"ana/two/own"] == hashlib.sha256(b"two").hexdigest()
    assert len(found) == 3


def test_only_what_is_new_is_read_again(tree: Path, tmp_path: Path, read: list[str]) -> None:
    own = Sums(tree, tmp_path / "index")
    own.renew(nobody)
    read.clear()
    (tree / "ana" / "three").mkdir()
    (tree / "ana" / "three" / "photo").hardlink_to(tree / "ana" / "one" / "photo")
    (tree / "ana" / "three" / "new").write_bytes(b"new")
    # The name that was known goes, its content stays under another one.
    (tree / "ana" / "one" / "photo").unlink()
    assert own.renew(nobody) == (4, 1011)
    assert read == ["new"]
    assert own.damaged(nobody) == ([], 0)


def test_what_the_disk_has_spoilt_is_named(tree: Path, tmp_path: Path) -> None:
    own = Sums(tree, tmp_path / "index")
    own.renew(nobody)
    path = tree / "ana" / "two" / "own"
    times = path.stat()
    path.write_bytes(b"tow")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert own.damaged(nobody) == (["ana/two/own"], 1)
    # By size and time it is as it was: only a run that reads everything takes it for what it is now.
    own.renew(nobody)
    assert own.damaged(nobody)[1] == 1
    own.renew(nobody, afresh=True)
    assert own.damaged(nobody) == ([], 0)


def test_of_very_many_only_some_are_named(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(30):
        (root / f"{number}").write_text("x")
    own = Sums(root, tmp_path / "index")
    own.renew(nobody)
    for path in root.iterdir():
        path.unlink()
    names, number = own.damaged(nobody)
    assert (len(names), number) == (20, 30)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x" * 9000)])
def test_without_its_hashes_nothing_is_called_sound(tree: Path, tmp_path: Path, spoil: object) -> None:
    index = tmp_path / "index"
    Sums(tree, index).renew(nobody)
    spoil(index)  # type: ignore[operator]
    assert Sums(tree, index).damaged(nobody) == (["index"], 1)
