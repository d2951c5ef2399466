"""The made-up Journal has the datastore's layout 6, and what compares two Journals misses nothing."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import uuid
import zlib
from pathlib import Path

import pytest
from sugaroid.errors import NotServed
from sugaroid.journal import add_entries, make_journal, remove_entry
from sugaroid.snapshots import Snapshot, differences, read_list


def _entries(journal: Path) -> list[Path]:
    return sorted(path for prefix in journal.glob("??") for path in prefix.iterdir())


def test_the_layout(tmp_path: Path) -> None:
    uids = make_journal(tmp_path / "a", 40, "seed")
    assert (tmp_path / "a" / "version").read_text() == "6"
    assert [entry.name for entry in _entries(tmp_path / "a")] == sorted(uids)
    for entry in _entries(tmp_path / "a"):
        assert str(uuid.UUID(entry.name)) == entry.name
        assert uuid.UUID(entry.name).version == 4
        assert entry.parent.name == entry.name[:2]
        values = {path.name: path.read_bytes() for path in (entry / "metadata").iterdir()}
        assert values["uid"] == entry.name.encode()
        assert re.fullmatch(rb"[0-9a-f]{40}", values["activity_id"])
        assert isinstance(json.loads(values["buddies"]), dict)
        assert values["preview"].startswith(b"\x89PNG\r\n\x1a\n")
        data = (entry / "data").read_bytes() if (entry / "data").exists() else b""
        assert values["filesize"] == str(len(data)).encode()
        if data:
            assert values["checksum"].decode() == hashlib.md5(data).hexdigest()
            assert (tmp_path / "a" / "checksums" / values["checksum"].decode() / entry.name).read_bytes() == b""
    without = [entry for entry in _entries(tmp_path / "a") if not (entry / "data").exists()]
    assert 0 < len(without) < 20


def test_a_preview_is_a_picture(tmp_path: Path) -> None:
    make_journal(tmp_path, 1, "seed")
    (picture,) = tmp_path.glob("??/*/metadata/preview")
    at, found, data = 8, [], picture.read_bytes()
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(name + body)
        found.append((name, body))
        at += 12 + length
    assert [name for name, _ in found] == [b"IHDR", b"IDAT", b"IEND"]
    width, height = struct.unpack(">II", found[0][1][:8])
    assert len(zlib.decompress(found[1][1])) == height * (1 + 3 * width)


def test_sizes_are_those_of_children(tmp_path: Path) -> None:
    make_journal(tmp_path, 100, "seed")
    total = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert 20_000 < total / 100 < 200_000


def test_a_seed_makes_the_same_again(tmp_path: Path) -> None:
    for name, seed in (("a", "x"), ("b", "x"), ("c", "y")):
        make_journal(tmp_path / name, 9, seed)
    assert differences(tmp_path / "a", tmp_path / "b") == []
    assert differences(tmp_path / "a", tmp_path / "c") != []


def test_entries_come_and_go(tmp_path: Path) -> None:
    uids = make_journal(tmp_path / "a", 5, "x")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (new,) = add_entries(tmp_path / "a", 1, "later")
    assert any(new in text for text in differences(tmp_path / "b", tmp_path / "a"))
    remove_entry(tmp_path / "a", new)
    assert differences(tmp_path / "a", tmp_path / "b") == []
    for uid in uids:
        remove_entry(tmp_path / "a", uid)
    assert _entries(tmp_path / "a") == []
    assert list((tmp_path / "a" / "checksums").iterdir()) == []


def test_every_difference_is_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "folder").mkdir(parents=True)
        (tmp_path / name / "same").write_bytes(bytes(100_000))
        (tmp_path / name / "other").write_bytes(bytes(100_000))
    (tmp_path / "b" / "other").write_bytes(bytes(99_999) + b"\1")
    (tmp_path / "a" / "lost").touch()
    (tmp_path / "b" / "new").mkdir()
    (tmp_path / "b" / "folder").rmdir()
    (tmp_path / "b" / "folder").touch()
    assert differences(tmp_path / "a", tmp_path / "b") == [
        "folder is of another kind",
        "lost is missing",
        "new is too much",
        "other has other content",
    ]


def test_a_list_of_snapshots() -> None:
    text = '[{"snapshot": "datastore-2026-03-02_10:00", "entries": 3, "more": 1}]\n'
    assert read_list(text) == [Snapshot("datastore-2026-03-02_10:00", 3)]
    assert read_list("[]") == []


@pytest.mark.parametrize("text", ["", "uid=0(root)", "{}x", "[1]", '[{"snapshot": 1, "entries": 1}]', "[{}]", "null"])
def test_no_list_of_snapshots(text: str) -> None:
    with pytest.raises(NotServed, match="is not understood"):
        read_list(text)
