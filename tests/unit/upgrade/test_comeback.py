"""The way back with an apt and services that do as they like: what it cannot bring back, it tries again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils import comeback, room
from ansible_collections.sugar.deploy.plugins.module_utils.apt import Apt
from ansible_collections.sugar.deploy.plugins.module_utils.comeback import Comeback
from ansible_collections.sugar.deploy.plugins.module_utils.previous import Previous
from ansible_collections.sugar.deploy.plugins.module_utils.restore import RETURNING, Point
from ansible_collections.sugar.deploy.plugins.modules import restore_point

from .conftest import Host

WAITS = "settings and data wait in the restore point until they are"


class Server(Host):
    """Its apt and dpkg install files by their names, except the packages that are STUCK."""

    def __init__(self, **more):
        super().__init__(**more)
        self.stuck = set()
        self.snapshot_is_readable = True

    def run_command(self, argv, **more):
        if argv[0] == "apt-get" and "update" in argv and not self.snapshot_is_readable:
            return 100, "", "no route"
        if argv[:2] in (["apt-get", "-q"], ["dpkg", "--install"]):
            self.ran.append(list(argv))
            return self.install(argv)
        return super().run_command(argv, **more)

    def install(self, words):
        failed = False
        for word in words:
            name, _, rest = Path(word).name.partition("_")
            if word.endswith(".deb") and name not in self.stuck:
                self.packages[name] = rest.split("_")[0]
            failed = failed or name in self.stuck
        return (100, "", "its script has failed") if failed else (0, "", "")


class Service:
    """A unit that comes up unless it is said to be broken."""

    broken: ClassVar[set[str]] = set()
    acts: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, name):
        self.name = name

    def exists(self):
        return True

    def act(self, action):
        self.acts.append((action, self.name))


@pytest.fixture
def school(tmp_path, monkeypatch):
    """A server whose upgrade from bell 1 and book 1 has failed, and has destroyed its data."""
    monkeypatch.setattr(room, "MARGIN_BYTES", 1 << 12)
    monkeypatch.setattr(comeback, "Unit", Service)
    monkeypatch.setattr(comeback, "prove", lambda unit, _health: "dead" if unit.name in Service.broken else None)
    monkeypatch.setattr(Service, "broken", set())
    monkeypatch.setattr(Service, "acts", [])
    return School(tmp_path)


class School:
    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        (folder / "base").mkdir()
        self.data.write_text("sesame")
        self.host = Server(installed={"bell": "2", "book": "2"})
        self.point = Point(str(folder / "base"))
        self.previous = Previous("repository", str(folder / "previous"))
        self.previous.keep([str(folder / "lima.sources")], active=True)
        debs = {name: self.deb(name, "1") for name in ("bell", "book")}
        content = {
            "snapshot": "a", "installed": {"bell:all": "1", "book:all": "1"}, "by_hand": ["bell", "book"],
            "changes": [["bell", "1", "2"], ["book", "1", "2"]],
            "units": ["bell.service"], "running": ["bell.service"],
        }  # fmt: skip
        self.point.make(content, debs, [str(self.data)], [])
        self.data.write_text("destroyed")

    def deb(self, name, version):
        path = self.folder / f"{name}_{version}_all.deb"
        path.write_text(version)
        return str(path)

    def come_back(self):
        one = Comeback(Apt(self.host.run_command), self.point, self.previous, "lima.sources", True)
        return one.carry_out(), one.unfinished

    def assert_kept(self):
        assert self.point.read()["status"] == RETURNING
        assert Path(self.point.deb(self.point.read(), "book")).read_text() == "1"
        assert self.previous.pending() is not None

    def assert_as_before(self):
        assert self.host.packages == {"bell": "1", "book": "1"}
        assert self.data.read_text() == "sesame"
        assert self.point.read() is None
        assert self.previous.pending() is None


def test_what_came_back_wholly_needs_no_restore_point_any_more(school):
    assert school.come_back() == ([], False)
    school.assert_as_before()


def test_packages_that_do_not_come_back_are_tried_again_by_the_next_run(school):
    school.host.stuck = {"book"}
    (told, waits), unfinished = school.come_back()
    assert told.startswith("the packages are not all back (book): ")
    assert (waits, unfinished) == (WAITS, True)
    school.assert_kept()
    # bell is what it was, and would have spoilt or lost nothing; but book is not.
    assert school.host.packages == {"bell": "1", "book": "2"}
    assert school.data.read_text() == "destroyed"
    assert ("restart", "bell.service") in Service.acts, "meanwhile the school is served as well as can be"
    assert school.come_back()[1]
    school.assert_kept()
    school.host.stuck = set()
    assert school.come_back() == ([], False)
    school.assert_as_before()


def test_an_apt_that_complains_of_something_else_is_no_hindrance(school, monkeypatch):
    real = school.host.install
    monkeypatch.setattr(school.host, "install", lambda words: (100, "", f"cup: {real(words)}"))
    assert school.come_back() == ([], False)
    school.assert_as_before()


def test_a_service_that_does_not_come_up_is_tried_again_and_loses_nothing_by_it(school):
    Service.broken.add("bell.service")
    (told,), unfinished = school.come_back()
    assert "bell.service does not come up with them either: dead" in told
    assert unfinished
    school.assert_kept()
    assert school.data.read_text() == "sesame"
    school.data.write_text("sesame, and ida")
    Service.broken.clear()
    assert school.come_back() == ([], False)
    assert school.data.read_text() == "sesame, and ida"
    assert school.point.read() is None


def test_a_package_whose_former_version_is_nowhere_does_not_hold_the_data_up(school):
    (Path(school.point.folder) / "debs" / "book_1_all.deb").unlink()
    content = school.point.read()
    del content["debs"]["book"]
    school.point.write(content)
    (told,), unfinished = school.come_back()
    assert (told, unfinished) == ("book stay as they are: their former versions are not on this server", True)
    assert school.data.read_text() == "sesame"
    assert school.point.read()["status"] == RETURNING


def test_lists_that_cannot_be_read_are_told_but_need_no_restore_point(school):
    school.host.snapshot_is_readable = False
    (told,), unfinished = school.come_back()
    assert told == "the package lists could not be read: no route"
    assert not unfinished
    school.assert_as_before()


def test_the_services_come_up_even_if_the_data_cannot_be_put_back(school, monkeypatch):
    def full(_content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(school.point, "put_back", full)
    with pytest.raises(OSError, match="No space left"):
        school.come_back()
    assert ["systemctl", "unmask", "--runtime", "--", "bell.service"] in school.host.ran
    assert Service.acts[-1] == ("restart", "bell.service")
    school.assert_kept()


def test_the_next_upgrade_after_it_can_come_back_to_what_is_now(school):
    Service.broken.add("bell.service")
    school.come_back()
    school.data.write_text("sesame, and ida")
    content = school.point.read()
    assert school.point.is_used_up(content)
    school.point.renew(content, {"cup": school.deb("cup", "5")}, [str(school.data)], [])
    content = school.point.read()
    assert not school.point.is_used_up(content)
    assert Path(school.point.deb(content, "cup")).read_text() == "5"
    school.data.write_text("destroyed again")
    school.host.packages["book"] = "3"
    Service.broken.clear()
    assert school.come_back() == ([], False)
    assert school.data.read_text() == "sesame, and ida"
    assert school.host.packages["book"] == "1"


def keeper(school, **wanted):
    """The module that the playbooks call, and what it warns of."""
    warned = []
    want = {"folder": school.point.base, "name": "lima", "uri": "", "lock_seconds": 1, "only_unfinished": False}
    module = SimpleNamespace(
        params={**want, **wanted}, run_command=school.host.run_command, check_mode=False, warn=warned.append
    )
    return restore_point.Keeper(module), warned


def test_a_run_goes_on_after_a_second_go_in_vain_says_so_and_has_a_way_back_again(school, monkeypatch):
    monkeypatch.setattr(restore_point, "at_work", lambda _units: [])
    Service.broken.add("bell.service")
    first = keeper(school)[0].returned()
    assert first["exists"]
    assert first["message"].endswith("The restore point is kept, and the next apply tries again.")
    begin, warned = keeper(school, only_unfinished=True)
    assert begin.returned()["exists"]
    assert len(warned) == 1
    assert warned[0].startswith("rolled back to snapshot a, but not wholly: bell.service ")
    (school.folder / "base" / "packages").mkdir()
    upgrade, _warned = keeper(school, paths=[str(school.data)], units=[], changes=[["bell", "1", "3"]])
    assert upgrade.made()["exists"]
    content = school.point.read()
    assert (content["status"], content["running"]) == ("made", ["bell.service"])
    assert not school.point.is_used_up(content)


def test_a_renewal_that_was_cut_off_is_begun_anew(school, monkeypatch):
    Service.broken.add("bell.service")
    school.come_back()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(school.point, "write", lambda _content: (_ for _ in ()).throw(KeyboardInterrupt))
        school.point.renew(school.point.read(), {}, [str(school.data)], [])
    assert school.point.is_used_up(school.point.read())
    school.point.renew(school.point.read(), {}, [str(school.data)], [])
    school.data.write_text("destroyed again")
    Service.broken.clear()
    assert school.come_back() == ([], False)
    assert school.data.read_text() == "sesame"


def test_the_next_upgrade_leaves_the_data_that_wait_as_they_are(school):
    school.host.stuck = {"book"}
    school.come_back()
    school.point.renew(school.point.read(), {}, [str(school.data)], [])
    school.host.stuck = set()
    school.come_back()
    school.assert_as_before()
