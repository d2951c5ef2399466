"""What a restored Journal must be, and how it takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from sugar_client.backup import datastore

UID = "0a000000-0000-4000-8000-000000000000"


def _journal(folder: Path, text: str) -> Path:
    entry = folder / UID[:2] / UID
    (entry / "metadata").mkdir(parents=True)
    (entry / "data").write_text(text)
    for name in ("index_updated", "ds_clean"):
        (folder / name).touch()
    return folder


def test_a_journal_that_lacks_entries_is_unsound(tmp_path: Path):
    _journal(tmp_path, "x")
    assert datastore.sound(tmp_path, 1) == ""
    assert datastore.sound(tmp_path, 2) == "it has 1 entries instead of 2"


def test_a_journal_with_links_is_unsound(tmp_path: Path):
    _journal(tmp_path, "x")
    (tmp_path / "0a" / UID / "metadata" / "title").symlink_to("/etc/passwd")
    assert "neither a file nor a folder" in datastore.sound(tmp_path, 1)


@pytest.mark.parametrize("at_once", [True, False])
def test_both_journals_are_there_after_the_exchange(tmp_path: Path, monkeypatch, at_once: bool):
    if not at_once:
        monkeypatch.setattr(datastore, "_exchange", lambda *_: False)
    here = _journal(tmp_path / "datastore", "old")
    new = _journal(tmp_path / "datastore.restoring", "new")
    kept = tmp_path / "datastore.before"
    assert datastore.put_in_place(new, here, kept)
    assert (here / "0a" / UID / "data").read_text() == "new"
    assert (kept / "0a" / UID / "data").read_text() == "old"
    assert sorted(path.name for path in here.iterdir()) == ["0a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["datastore", "datastore.before"]
