"""Content bundles that are installed, and those that are refused: the old content stays then."""

from __future__ import annotations

import os
import stat
import zipfile

import pytest
from sugar_client.update import content as contents
from sugar_client.update.version import Version

from tests.bundles import archive, content

ATLAS = "org.example.atlas"
INFO = b"[Library]\nname = Atlas\nglobal_name = org.example.atlas\nlibrary_version = 2\n"


def state(library):
    return {
        str(path.relative_to(library)): path.read_bytes()
        for path in library.rglob("*")
        if path.is_file() and path.name != "index.html"
    }


@pytest.fixture
def library(tmp_path):
    """Has version 1."""
    library = tmp_path / "Library"
    contents.install(content(tmp_path / "old.xol"), library)
    return library


def test_a_newer_version_takes_the_old_ones_place(library, tmp_path):
    (library / "atlas" / "of the old one").touch()
    (library / ".new-cut-off").mkdir()
    folder = contents.install(content(tmp_path / "new.xol", version="1.10"), library)
    assert folder == library / "atlas"
    assert contents.installed(library) == {ATLAS: Version("1.10")}
    assert not (folder / "of the old one").exists()
    assert sorted(path.name for path in library.iterdir()) == ["atlas", "index.html"]


def test_old_bundles_are_told_apart_by_their_class(tmp_path):
    contents.install(content(tmp_path / "a.xol", info="bundle_class = org.example.maps\n"), tmp_path / "l")
    assert contents.installed(tmp_path / "l") == {"org.example.maps": Version("1")}


def link(path):
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("atlas/library/library.info", INFO)
        made.writestr("atlas/index.html", b"")
        info = zipfile.ZipInfo("atlas/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(info, "/etc")
    return path


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"atlas/library/library.info": INFO}, "no start page"),
        ({"atlas/index.html": b""}, "no library/library.info"),
        ({"atlas/library/library.info": b"[Library]\nname = x\n", "atlas/index.html": b""}, "cannot be read"),
        ({"atlas/library/library.info": INFO[:-2] + b"1.02", "atlas/index.html": b""}, "cannot be read"),
        ({"atlas/library/library.info": INFO, "atlas/index.html": b"", "x/y": b""}, "one folder"),
        ({"atlas/library/library.info": INFO, "atlas/index.html": b"", "atlas/../../x": b""}, "elsewhere"),
        ({"/atlas/library/library.info": INFO, "/atlas/index.html": b""}, "elsewhere"),
        ({".x/library/library.info": INFO, ".x/index.html": b""}, "one folder"),
    ],
)
def test_what_is_refused_changes_nothing(library, tmp_path, files, why):
    before = state(library)
    with pytest.raises(contents.Unusable, match=why):
        contents.install(archive(tmp_path / "bad.xol", files), library)
    assert state(library) == before
    assert contents.installed(library) == {ATLAS: Version("1")}


def test_links_and_damage_are_refused(library, tmp_path):
    before = state(library)
    with pytest.raises(contents.Unusable, match="a link or a device"):
        contents.install(link(tmp_path / "link.xol"), library)
    files = {"atlas/library/library.info": INFO, "atlas/index.html": os.urandom(50_000)}
    damaged = archive(tmp_path / "damaged.xol", files)
    content_ = bytearray(damaged.read_bytes())
    content_[30_000] ^= 1
    damaged.write_bytes(content_)
    with pytest.raises(contents.Unusable, match="cannot be installed"):
        contents.install(damaged, library)
    (tmp_path / "none.xol").write_bytes(b"no")
    with pytest.raises(contents.Unusable, match="cannot be installed"):
        contents.install(tmp_path / "none.xol", library)
    assert state(library) == before


def test_anothers_folder_is_not_taken(library, tmp_path):
    before = state(library)
    with pytest.raises(contents.Unusable, match="something else"):
        contents.install(content(tmp_path / "other.xol", "org.example.other", "9"), library)
    assert state(library) == before


def test_a_full_disk(library, tmp_path, monkeypatch):
    before = state(library)
    monkeypatch.setattr(contents, "_ROOM_BYTES", 2**60)
    with pytest.raises(contents.Unusable, match="no room"):
        contents.install(content(tmp_path / "new.xol", version="3"), library)
    assert state(library) == before
