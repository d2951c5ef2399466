"""Restore points: whole or not there, and what they bring back."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils import record, restore, room
from ansible_collections.sugar.deploy.plugins.module_utils.comeback import rolled_back
from ansible_collections.sugar.deploy.plugins.module_utils.former import cached, keep
from ansible_collections.sugar.deploy.plugins.module_utils.restore import Point, RestoreError


@pytest.fixture
def server(tmp_path):
    """A server's data, and its own folder."""
    data = tmp_path / "data"
    (data / "accounts").mkdir(parents=True)
    (data / "accounts" / "ana").write_text("sesame")
    (data / "accounts" / "ana").chmod(0o640)
    (tmp_path / "base").mkdir()
    deb = tmp_path / "bell_1_all.deb"
    deb.write_text("deb")
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def made(server, **more):
    point = Point(str(server / "base"))
    paths = [str(server / "data"), str(server / "settings")]
    point.make({"snapshot": "a", **more}, {"bell": str(server / "bell_1_all.deb")}, paths, [])
    return point


def test_data_come_back_as_they_were_and_what_was_there_meanwhile_is_kept(server):
    point = made(server)
    (server / "data" / "accounts" / "ana").write_text("destroyed")
    (server / "data" / "new").write_text("new")
    (server / "settings").write_text("came with the upgrade")
    point.put_back(point.read())
    assert (server / "data" / "accounts" / "ana").read_text() == "sesame"
    assert (server / "data" / "accounts" / "ana").stat().st_mode & 0o777 == 0o640
    assert not (server / "data" / "new").exists()
    assert not (server / "settings").exists()
    aside = server / "base" / "rolled-back"
    assert (aside / f"{server}/data/new".lstrip("/")).read_text() == "new"
    assert aside.stat().st_mode & 0o777 == 0o700


def test_bringing_back_may_be_repeated_after_a_power_cut(server):
    point = made(server)
    (server / "data" / "accounts" / "ana").unlink()
    point.put_back(point.read())
    point.put_back(point.read())
    assert (server / "data" / "accounts" / "ana").read_text() == "sesame"


def test_it_holds_the_former_packages_and_is_for_root_alone(server):
    point = made(server)
    content = point.read()
    assert Path(point.deb(content, "bell")).read_text() == "deb"
    assert point.deb(content, "book") is None
    assert Path(point.folder).stat().st_mode & 0o777 == 0o700
    point.remove()
    assert point.read() is None
    assert names(server / "base") == []


def test_without_room_nothing_is_left_of_it(server, monkeypatch):
    def full(_source, _target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(restore, "copy", full)
    with pytest.raises(RestoreError, match=r"not enough free space in .* for a restore point: 1 MB are needed"):
        made(server)
    assert names(server / "base") == []


def test_room_is_asked_for_before_a_service_is_stopped(server, monkeypatch):
    monkeypatch.setattr(room, "MARGIN_BYTES", 1 << 60)
    with pytest.raises(RestoreError, match="are free"):
        room.require_space(str(server / "base"), {}, [str(server / "data")])


def test_one_that_was_cut_off_while_it_was_made_is_none(server):
    point = Point(str(server / "base"))
    (Path(point.draft) / "data").mkdir(parents=True)
    assert point.read() is None
    assert made(server).read()["kept"] == [str(server / "data")]


def test_a_damaged_one_is_not_guessed_at(server):
    point = made(server)
    (Path(point.folder) / "point.json").write_text('{"status": ')
    with pytest.raises(RestoreError, match="damaged"):
        point.read()


def test_a_server_is_in_service_once_a_run_was_completed(tmp_path):
    assert not record.is_in_service(str(tmp_path))
    (tmp_path / "journal.json").write_text('{"phases": {"repository": {}}}')
    assert not record.is_in_service(str(tmp_path))
    record.keep(str(tmp_path), "0123456789ab", {"bell": "1"})
    assert record.is_in_service(str(tmp_path))
    assert record.read(str(tmp_path)) == {"snapshot": "0123456789ab", "packages": {"bell": "1"}}
    record.forget_journal(str(tmp_path))
    assert not (tmp_path / "journal.json").exists()


def test_a_server_of_the_first_release_is_in_service_too(tmp_path):
    (tmp_path / "journal.json").write_text('{"phases": {"sugar_server": {"hash": ""}}}')
    assert record.is_in_service(str(tmp_path))


def test_kept_packages_are_those_that_are_installed(tmp_path):
    folder = tmp_path / "packages"
    folder.mkdir()
    for name in ("bell_1%3a2_all.deb", "bell_1_all.deb", "book_3_all.deb"):
        (folder / name).write_text(name)
    assert [Path(path).name for path in cached(str(folder), "bell", "1:2")] == ["bell_1%3a2_all.deb"]
    keep(None, {"bell": "1:2", "book": "3"}, str(folder), fetch=False)
    assert names(folder) == ["bell_1%3a2_all.deb", "book_3_all.deb"]


def test_what_happened_is_said_in_words_that_the_deployer_s_side_knows():
    assert rolled_back("0123456789ab", []).startswith("rolled back to snapshot 0123456789ab: ")
    assert rolled_back("", ["a", "b"]) == "rolled back to the packages from before, but not wholly: a; b."
