"""The check of backups against the real service: green when it is well, red with the reason when it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sugaroid.checks.report import Report

from tests.bundles import activity

from .services import Services, failed, seen


@pytest.fixture(scope="module")
def host_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first service's host keys are kept for the others: making RSA keys takes seconds."""
    return tmp_path_factory.mktemp("keys") / "keys"


def _start(services: Services, host_keys: Path, fault: str = "") -> None:
    if host_keys.is_dir():
        shutil.copytree(host_keys, services.backups / "keys")
    services.start()
    services.start_backups(fault)
    if not host_keys.is_dir():
        shutil.copytree(services.backups / "keys", host_keys)


@pytest.fixture
def school(services: Services, host_keys: Path) -> Services:
    _start(services, host_keys)
    return services


def test_a_well_school(school: Services) -> None:
    report = school.check("backup")
    assert failed(report) == {}
    found = seen(report)
    assert found["backup: may a laptop begin"] == "status 200"
    assert "has the 12 entries, byte for byte" in found["backup: it is read back"]
    assert "has the change" in found["backup: a changed Journal is brought"]
    assert "only rsync" in found["backup: nothing else is served"]
    assert "backup: an XO's Journal is brought" in found
    tried = {each.check: each.tried for each in report.checks}
    assert "a key of dsa" in tried["an XO's Journal is brought"]
    assert len(report.identities) == 2
    _nothing_stays_but_what_is_told(school, report)


def _nothing_stays_but_what_is_told(school: Services, report: Report) -> None:
    homes = sorted((school.backups / "homes").iterdir())
    assert sorted(text.split("homes/")[1].split()[0] for text in report.left) == [home.name for home in homes]
    for home in homes:
        for folder in ("datastore-current", "power-logs", "documents"):
            assert list((home / folder).iterdir()) == []
        assert [path for path in home.glob("datastore-2*") if path.is_dir()]
    for identity in report.identities:
        assert school.sugar_server("forget", identity.fingerprint).returncode == 0


def test_where_ssh_knows_no_dsa_an_xo_has_an_rsa_key(school: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    async def knows(_: str) -> bool:
        return False

    monkeypatch.setattr("sugaroid.checks.backup.ssh_knows", knows)
    report = school.check("backup")
    assert failed(report) == {}
    (tried,) = [each.tried for each in report.checks if each.check == "an XO's Journal is brought"]
    assert "a key of rsa" in tried


def test_backups_are_off(services: Services) -> None:
    services.configure(backup="enabled = no")
    services.start()
    report = services.check("backup")
    why = "status 403: laptops are refused: backups are off, or the server does not know this laptop"
    assert failed(report) == {"backup: may a laptop begin": why, "backup: may an XO begin": why}
    assert report.left == []


def test_the_server_is_busy(services: Services) -> None:
    services.configure(backup="most_used_percent = 1")
    services.start()
    assert failed(services.check("backup"))["backup: may a laptop begin"].startswith("status 503: later, please")


def test_nobody_takes_them(services: Services) -> None:
    services.start()
    report = services.check("backup")
    assert list(failed(report)) == ["backup: a Journal is brought", "backup: an XO's Journal is brought"]
    assert "Connection refused" in failed(report)["backup: a Journal is brought"]
    assert report.left == []


FAULTS = {
    "the disk is full": (
        "import sugar_server.backup.room as r\nr.is_spent = lambda *_: True",
        "a Journal is brought",
        "the server's disk is full",
    ),
    "no snapshots": (
        "import sugar_server.backup.snapshots as s; s.take = lambda home, now: None",
        "it is read back",
        "1 backups were completed, and the snapshots are none",
    ),
    "a part of it": (
        "import sugar_server.backup.snapshots as s; link = s._link\n"
        "s._link = lambda file, target: target.name == 'preview' or link(file, target)",
        "it is read back",
        "/metadata/preview is missing",
    ),
    "a shell": (
        "import sugar_server.backup.transfer as t; parse = t.parse\n"
        "t.parse = lambda command, serial: t.Listing() if command == 'id' else parse(command, serial)",
        "nothing else is served",
        "the server runs a laptop's commands",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_service_that_errs(services: Services, host_keys: Path, fault: str) -> None:
    spoil, name, why = FAULTS[fault]
    _start(services, host_keys, spoil)
    assert why in failed(services.check("backup")).get(f"backup: {name}", ""), services.log.read_text()


def test_the_program_of_debians_python_tells_people_what_stays(school: Services) -> None:
    activity(school.library / "paint.xo")
    done = school.sugaroid("check", "--expect", "updates,statistics,backup")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "17 of 17 checks are as expected." in lines
    assert sum(line.startswith("still registered: ") for line in lines) == 3
    assert sum(line.startswith("still there: snapshots of ") for line in lines) == 2
    assert sum(line.startswith("still there: one second of ") for line in lines) == 1


def test_services_that_must_not_be_there(school: Services) -> None:
    names = ("updates", "statistics", "backup")
    report = school.check(expect_no=names)
    assert {each.service for each in report.checks} == set(names)
    assert [each.seen for each in report.checks] == ["the port is open"] * 3
    school.stop()
    assert school.check(expect_no=names).ok
