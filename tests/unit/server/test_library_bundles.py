"""Bundles: what the library takes, and what it refuses and why."""

from __future__ import annotations

import contextlib
import stat
import struct
import subprocess
import zipfile
from functools import partial

import pytest
from sugar_server.library.archive import Refused
from sugar_server.library.bundle import Words, read
from sugar_server.library.version import order

from tests.bundles import activity, archive, content

MIB = 2**20


def load(path, largest=64 * MIB, **how):
    with path.open("rb") as file:
        return read(file, path.suffix, largest, **how)


@pytest.mark.parametrize("text", ["1", "0", "1.2.3", "1.2.3-peru", "1.2~dfsg", "1.0.10", "1.2-é"])
def test_versions_that_sugar_knows(text):
    order(text)


@pytest.mark.parametrize(
    "text", ["", "1.2peru", "1.2.", "1.02", "01", "1.2-peru2", "v1", "1 ", "1\n", "-1", "१", "1.2-", "9" * 5000]
)
def test_what_is_no_version(text):
    with pytest.raises(ValueError):
        order(text)


def test_the_order_of_versions():
    rising = ["0", "1", "1.0.1", "1.2", "1.10", "2", "9", "10", "157.3", "201.2"]
    assert sorted(set(rising), key=order) == rising
    assert order("1.0") == order("1") == order("1.0.0")
    assert order("1.2-peru") == order("1.2") == order("1.2~dfsg")


def test_an_activity(tmp_path):
    files = {
        "locale/es/activity.linfo": "[Activity]\nname = Pintar ñandú\nsummary = Dibuja\n".encode(),
        "locale/fr/activity.linfo": b"no ini file",
        "mimetype": b"x",
    }
    bundle = load(activity(tmp_path / "p.xo", version="1.2-peru", info="summary = Draw <b>\n", files=files))
    assert (bundle.kind, bundle.bundle_id, bundle.version) == (".xo", "org.example.Paint", "1.2-peru")
    assert bundle.words == Words("Paint", "Draw <b>")
    assert bundle.translations == {"es": Words("Pintar ñandú", "Dibuja")}
    assert bundle.warnings == ()


def test_an_old_activity(tmp_path):
    info = b"[Activity]\nname = Old\nservice_name = org.laptop.Old\nclass = old.Old\nicon = x\nlicense = GPL\n"
    bundle = load(archive(tmp_path / "o.xo", {"Old.activity/activity/activity.info": info}))
    assert (bundle.bundle_id, bundle.version) == ("org.laptop.Old", "0")
    assert bundle.warnings == ("it has no icon activity/x.svg",)


def test_a_bundle_whose_first_file_is_a_mimetype(tmp_path):
    info = b"[Activity]\nname = Old\nbundle_id = org.laptop.Old\nexec = x\nshow_launcher = no\nlicense = GPL\n"
    made = archive(tmp_path / "o.xo", {"mimetype": b"x", "Old.activity/activity/activity.info": info})
    assert load(made).warnings == ()


def test_a_percent_sign_that_sugar_cannot_read(tmp_path):
    bundle = load(activity(tmp_path / "p.xo", info="summary = 100 % fun\ndescription = 50 %% off\n"))
    assert bundle.words.summary == "100 % fun"
    assert [warning for warning in bundle.warnings if "summary" in warning]
    assert len(bundle.warnings) == 1


def test_content(tmp_path):
    bundle = load(content(tmp_path / "a.xol", version="2.1"))
    assert (bundle.kind, bundle.bundle_id, bundle.version) == (".xol", "org.example.atlas", "2.1")
    assert load(content(tmp_path / "b.xol", info="bundle_class = org.example.maps\n")).bundle_id == "org.example.maps"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bundle_id": "org.example.has space"}, "without spaces"),
        ({"bundle_id": ""}, "bundle_id"),
        ({"name": ""}, "name"),
        ({"version": "1.02"}, "no version"),
        ({"info": "max_participants = many\n"}, "max_participants"),
        ({"info": "name = Twice\n"}, "cannot be read"),
        ({"info": "no key\n"}, "cannot be read"),
        ({"name": "x" * 70_000}, "larger than"),
    ],
)
def test_what_an_activity_says_of_itself_wrongly(tmp_path, change, reason):
    with pytest.raises(Refused, match=reason):
        load(activity(tmp_path / "p.xo", **change))


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (b"[Other]\nname = x\n", "no section"),
        (b"[Activity]\nname = x\nbundle_id = y\n", "exec or class"),
        (b"[Activity]\nname = \xff\nbundle_id = y\nexec = z\n", "UTF-8"),
    ],
)
def test_an_info_file_that_is_none(tmp_path, info, reason):
    with pytest.raises(Refused, match=reason):
        load(archive(tmp_path / "p.xo", {"P.activity/activity/activity.info": info}))


def test_content_without_its_start_page(tmp_path):
    with pytest.raises(Refused, match="start page"):
        load(content(tmp_path / "a.xol", info="activity_start = start.html\n"))


INFO = {"P.activity/activity/activity.info": b"[Activity]\nname = x\nbundle_id = y\nexec = z\n"}


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["P.activity/../../etc/passwd"], "elsewhere"),
        (["P.activity/a/../b"], "elsewhere"),
        (["P.activity//b"], "elsewhere"),
        (["P.activity/./b"], "elsewhere"),
        (["/etc/passwd"], "elsewhere"),
        (["P.activity/..\\..\\b"], "not usable"),
        (["C:/b"], "not usable"),
        (["P.activity/\x1b[2J"], "not usable"),
        (["Q.activity/b"], "side by side"),
        (["readme"], "side by side"),
        (["P.activity/" + "x" * 2000], "not usable"),
    ],
)
def test_files_that_are_not_in_the_one_folder(tmp_path, names, reason):
    with pytest.raises(Refused, match=reason):
        load(archive(tmp_path / "p.xo", INFO | dict.fromkeys(names, b"")))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices(tmp_path, kind):
    path = archive(tmp_path / "p.xo", INFO)
    with zipfile.ZipFile(path, "a") as made:
        info = zipfile.ZipInfo("P.activity/link")
        info.external_attr = (kind | 0o777) << 16
        made.writestr(info, "/etc/passwd")
    with pytest.raises(Refused, match="link or a device"):
        load(path)


def test_a_folder_that_is_no_activity(tmp_path):
    with pytest.raises(Refused, match=r"\.activity"):
        load(archive(tmp_path / "p.xo", {"P/activity/activity.info": b""}))


def test_no_zip_at_all(tmp_path):
    for number, junk in enumerate(
        (b"", b"hello", b"PK\5\6" + b"\0" * 18, b"PK\3\4" * 1000, b"PK\5\6" + b"\xff" * 18)
    ):
        path = tmp_path / f"{number}.xo"
        path.write_bytes(junk)
        with pytest.raises(Refused):
            load(path)


def test_a_file_that_is_still_being_copied(tmp_path):
    path = activity(tmp_path / "p.xo")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(Refused, match="whole"):
        load(path)


def test_bombs(tmp_path):
    huge = activity(tmp_path / "p.xo", files={"zeros": bytes(80 * MIB)})
    with pytest.raises(Refused, match="times its size"):
        load(huge, 1024 * MIB)
    with pytest.raises(Refused, match="unpacks to 80 MiB, more than 64 MiB"):
        load(huge)


def test_files_that_overlap(tmp_path):
    """As in zip bombs whose entries all point to the same data."""
    path = archive(tmp_path / "p.xo", INFO | {"P.activity/data": bytes(range(256)) * 256})
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\1\2")
    while at >= 0:
        struct.pack_into("<L", data, at + 20, len(data))
        at = data.find(b"PK\1\2", at + 1)
    path.write_bytes(data)
    with pytest.raises(Refused):
        load(path)


def test_too_many_files(tmp_path):
    with pytest.raises(Refused, match="more than 20000 files"):
        load(archive(tmp_path / "p.xo", INFO | {f"P.activity/{number}": b"" for number in range(20_001)}))


def test_an_encrypted_file(tmp_path):
    path = archive(tmp_path / "p.xo", INFO)
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(Refused, match="encrypted"):
        load(path)


def test_damage_is_found_when_looked_for(tmp_path):
    path = activity(tmp_path / "p.xo", files={"data": bytes(range(256))})
    data = bytearray(path.read_bytes())
    data[data.find(b"main.py") + 12] ^= 0xFF
    path.write_bytes(data)
    assert subprocess.run(["unzip", "-tq", path], capture_output=True).returncode != 0
    load(path)
    with pytest.raises(Refused):
        load(path, thoroughly=True)


def test_every_byte_changed_is_taken_or_refused(tmp_path):
    """Never another exception, which would cost the whole page."""
    good = activity(tmp_path / "p.xo").read_bytes()
    changed = tmp_path / "q.xo"
    read_it = partial(load, changed)
    for at in range(len(good)):
        changed.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        with contextlib.suppress(Refused):
            read_it()
