"""A tree that has arrived is swapped in, wherever the plug is pulled on the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils import bulk


class PulledError(Exception):
    """The plug."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree in use, and what has arrived for it."""
    root = tmp_path / "tree"
    for place in (root, Path(bulk.begin(root))):
        for name in ("homes", "keys", "users"):
            (place / name).mkdir(parents=True)
            (place / name / "whose").write_text("new" if place != root else "old")
    return root


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_what_was_there_is_moved_aside(tree: Path) -> None:
    done: dict[str, Any] = {}
    aside = bulk.swap(str(tree), done, lambda _done: None)
    names = ("homes", "keys", "users")
    expected = {f"{name}/whose": "new" for name in names}
    expected |= {f".sugar-deploy-replaced/{name}/whose": "old" for name in names}
    assert contents(tree) == expected
    assert aside == str(tree / ".sugar-deploy-replaced")
    assert bulk.swap(str(tree), done, lambda _done: None) == aside
    assert contents(tree) == expected


@pytest.mark.parametrize("renames", range(6))
def test_a_run_that_is_cut_off_is_carried_on(tree: Path, monkeypatch: pytest.MonkeyPatch, renames: int) -> None:
    real, left = os.rename, [renames]

    def rename(source: str, target: str) -> None:
        if not left[0]:
            raise PulledError
        left[0] -= 1
        real(source, target)

    on_disk: dict[str, Any] = {}

    def note(done: dict[str, Any]) -> None:
        on_disk.update(done)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(PulledError):
        bulk.swap(str(tree), dict(on_disk), note)
    monkeypatch.setattr(os, "rename", real)
    # A service was started in between.
    if not (tree / "homes").exists():
        (tree / "homes").mkdir()
        (tree / "homes" / "whose").write_text("between")
    bulk.swap(str(tree), dict(on_disk), note)
    seen = contents(tree)
    assert {path: text for path, text in seen.items() if not path.startswith(".")} == {
        f"{name}/whose": "new" for name in ("homes", "keys", "users")
    }
    # Nothing is lost: all that was there is still somewhere.
    assert sorted(text for path, text in seen.items() if path.startswith("."))[-3:] == ["old"] * 3
