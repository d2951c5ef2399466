"""Settings and data come back without room on the disk, and wherever the plug is pulled on the way."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils import exchange, restore, room
from ansible_collections.sugar.deploy.plugins.module_utils.restore import Point, RestoreError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


class PulledError(Exception):
    """The plug."""


@pytest.fixture
def disk(tmp_path):
    """Makes small filesystems of their own."""
    mounted = []

    def make(name, megabytes):
        place = tmp_path / name
        place.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
        mounted.append(place)
        return place

    yield make
    for place in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture(autouse=True)
def margin(monkeypatch):
    monkeypatch.setattr(room, "MARGIN_BYTES", 1 << 20)


def seen(folder):
    """What is in a folder: modes, owners, times and contents by path."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        state = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (state.st_mode, state.st_uid, int(state.st_mtime), content)
    return found


def upgraded(base, data, settings):
    """A restore point of data and two settings, and an upgrade that has spoilt all of them since."""
    (base / "base").mkdir()
    (data / "accounts").mkdir(parents=True, exist_ok=True)
    (data / "accounts" / "ana").write_text("sesame")
    (data / "accounts" / "ana").chmod(0o640)
    (data / "book").write_bytes(b"once" * (3 << 18))
    settings.mkdir()
    (settings / "bell").write_text("ding")
    point = Point(str(base / "base"))
    paths = [str(data), str(settings / "bell"), str(settings / "new")]
    point.make({"snapshot": "a"}, {}, paths, [])
    before = seen(data), seen(settings)
    (data / "accounts" / "ana").unlink()
    (data / "accounts" / "eva").write_text("open")
    (settings / "bell").write_text("dong")
    (settings / "new").mkdir()
    (settings / "new" / "thing").write_text("came with the upgrade")
    return point, before


def bring_back(point):
    content = point.read()
    point.begin_return(content)
    return point.put_back(content)


def kept_aside(point, path):
    return Path(point.aside + str(path))


def assert_meanwhile_is_kept(point, data, settings):
    assert kept_aside(point, data / "accounts" / "eva").read_text() == "open"
    assert kept_aside(point, settings / "bell").read_text() == "dong"
    assert kept_aside(point, settings / "new" / "thing").read_text() == "came with the upgrade"


@needs_root
def test_the_way_back_needs_no_room_even_if_the_upgrade_has_filled_the_disk(disk):
    place = disk("disk", 8)
    point, before = upgraded(place, place / "data", place / "settings")
    with (place / "filling").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(b"x" * 4096)
    assert bring_back(point) == []
    assert (seen(place / "data"), seen(place / "settings")) == before
    assert_meanwhile_is_kept(point, place / "data", place / "settings")


def steps(monkeypatch, pulled_at):
    """Count what changes the disk, and pull the plug before one of these steps; a copy is then half there."""
    count = iter(range(1000))

    def wrap(module, name):
        real = getattr(module, name)

        def step(*arguments, **options):
            if next(count) == pulled_at:
                if name == "copy":
                    Path(arguments[1]).mkdir(parents=True, exist_ok=True)
                    (Path(arguments[1]) / "half").write_text("half")
                raise PulledError
            return real(*arguments, **options)

        monkeypatch.setattr(module, name, step)

    for module, name in ((os, "rename"), (shutil, "rmtree"), (exchange, "copy"), (restore, "write")):
        wrap(module, name)
    return count


def cut_everywhere(monkeypatch, make, check):
    """Bring back with the plug pulled before the first step, the second, and so on until none is left."""
    for position in range(200):
        point, *things = make(position)
        with monkeypatch.context() as patched:
            steps(patched, position)
            try:
                bring_back(point)
            except PulledError:
                cut = True
            else:
                cut = False
        bring_back(point)
        check(point, *things)
        if not cut:
            return position
    raise AssertionError("it never comes to its end")


def test_a_way_back_that_is_cut_off_anywhere_is_carried_on_from(tmp_path, monkeypatch):
    def make(position):
        base = tmp_path / str(position)
        base.mkdir()
        return *upgraded(base, base / "data", base / "settings"), base

    def check(point, before, base):
        assert (seen(base / "data"), seen(base / "settings")) == before
        assert_meanwhile_is_kept(point, base / "data", base / "settings")

    # For each path: what was before beside its place, what is there aside, the one for the other, a note.
    assert cut_everywhere(monkeypatch, make, check) >= 12


@needs_root
@pytest.mark.parametrize("mounted", ["data", "srv"], ids=["a mount itself", "in a folder of another disk"])
def test_data_on_a_disk_of_their_own_come_back_as_well(tmp_path, monkeypatch, disk, mounted):
    def make(position):
        base = tmp_path / str(position)
        base.mkdir()
        place = disk(f"{position}/{mounted}", 16)
        data = place if mounted == "data" else place / "data"
        return *upgraded(base, data, base / "settings"), base, data

    def check(point, before, base, data):
        assert (seen(data), seen(base / "settings")) == before
        assert_meanwhile_is_kept(point, data, base / "settings")
        assert not [path for path in data.parent.iterdir() if path.name.startswith(".")]

    assert cut_everywhere(monkeypatch, make, check) >= 15


@needs_root
def test_data_of_an_overlay_s_lower_layer_which_cannot_be_renamed_come_back_as_well(monkeypatch, disk):
    def make(position):
        below = disk(str(position), 16)
        for name in ("lower/data/accounts", "upper", "work", "merged"):
            (below / name).mkdir(parents=True)
        top = below / "merged"
        options = f"lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(top)], check=True)
        return *upgraded(top, top / "data", top / "settings"), top

    def check(point, before, top):
        assert (seen(top / "data"), seen(top / "settings")) == before
        assert_meanwhile_is_kept(point, top / "data", top / "settings")

    assert cut_everywhere(monkeypatch, make, check) >= 13


def test_services_that_have_run_with_what_came_back_lose_nothing_by_a_second_go(tmp_path):
    point, _before = upgraded(tmp_path, tmp_path / "data", tmp_path / "settings")
    bring_back(point)
    (tmp_path / "data" / "accounts" / "ida").write_text("registered since")
    (tmp_path / "settings" / "new").write_text("made since")
    bring_back(point)
    assert (tmp_path / "data" / "accounts" / "ida").read_text() == "registered since"
    assert (tmp_path / "settings" / "new").read_text() == "made since"
    assert_meanwhile_is_kept(point, tmp_path / "data", tmp_path / "settings")


def test_what_a_package_s_script_makes_during_a_second_go_is_kept_beside_the_rest(tmp_path, monkeypatch):
    point, before = upgraded(tmp_path, tmp_path / "data", tmp_path / "settings")
    real = os.rename

    def pulled(source, target):
        if target == str(tmp_path / "data"):
            raise PulledError
        real(source, target)

    with monkeypatch.context() as patched, pytest.raises(PulledError):
        patched.setattr(os, "rename", pulled)
        bring_back(point)
    assert not (tmp_path / "data").exists()
    (tmp_path / "data").mkdir()
    bring_back(point)
    assert (seen(tmp_path / "data"), seen(tmp_path / "settings")) == before
    assert_meanwhile_is_kept(point, tmp_path / "data", tmp_path / "settings")
    assert kept_aside(point, f"{tmp_path}/data~2").is_dir()


@needs_root
def test_without_room_on_their_own_disk_nothing_is_begun(tmp_path, disk):
    (tmp_path / "base").mkdir()
    place = disk("srv", 4)
    (place / "data").mkdir()
    (place / "data" / "book").write_bytes(b"once" * (3 << 18))
    with pytest.raises(RestoreError, match=rf"free space in {place}"):
        room.require_space(str(tmp_path / "base"), {}, [str(place / "data")])


@needs_root
def test_a_full_disk_of_their_own_leaves_the_present_data_whole_and_the_next_go_brings_them_back(tmp_path, disk):
    place = disk("srv", 8)
    point, before = upgraded(tmp_path, place / "data", tmp_path / "settings")
    (place / "filling").write_bytes(b"x" * (4 << 20))
    present = seen(place / "data")
    with pytest.raises(OSError, match="No space left"):
        bring_back(point)
    assert seen(place / "data") == present
    (place / "filling").unlink()
    bring_back(point)
    assert (seen(place / "data"), seen(tmp_path / "settings")) == before
    assert_meanwhile_is_kept(point, place / "data", tmp_path / "settings")
