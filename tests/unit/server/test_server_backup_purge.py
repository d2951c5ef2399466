"""What is purged and what is not: the worked examples are made by hand."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sugar_server.backup import snapshots
from sugar_server.backup.homes import Homes
from sugar_server.backup.purge import Disk, measure, protected, purge
from sugar_server.backup.settings import BackupSettings

ONE, TWO = "1" * 64, "2" * 64
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def homes(tmp_path):
    homes = Homes(tmp_path)
    homes.enter(ONE, "SHC00700001")
    homes.enter(TWO, "SHC00700002")
    return homes


def snapshot(homes, identity: str, stamp: str, entries: int = 3, size: int = 0) -> None:
    folder = homes.of(identity).path / f"datastore-{stamp}"
    for number in range(entries):
        uid = f"{number:08x}-0000-4000-8000-000000000000"
        (folder / uid[:2] / uid).mkdir(parents=True)
    folder.mkdir(exist_ok=True)
    if size:
        (folder / "data").write_bytes(os.urandom(size))


@pytest.fixture
def used(monkeypatch):
    """How full the disk is, in per cent of what there is room for, as each removal leaves it."""

    def fill(*percents: float) -> None:
        left = list(percents)
        monkeypatch.setattr(Disk, "used_share", lambda _: (left.pop(0) if len(left) > 1 else left[0]) / 100)

    return fill


def purged(homes, settings=None, now=NOW, dry_run=False) -> list[tuple[str, str]]:
    settings = settings or BackupSettings(folder=str(homes.folder))
    removals = list(purge(homes, settings, now, dry_run))
    return [(removal.home.serial[-1], removal.snapshot.removeprefix("datastore-")) for removal in removals]


MONTHLY = ["2026-01-03_10:00", "2026-01-20_10:00", "2026-01-31_10:00", "2026-02-05_10:00", "2026-02-06_10:00"]


def test_nothing_goes_while_there_is_room(homes, used):
    for stamp in MONTHLY:
        snapshot(homes, ONE, stamp)
    used(70)
    assert purged(homes) == []


def test_old_ones_are_thinned_to_the_first_of_each_month(homes, used):
    for stamp in (*MONTHLY, "2026-06-01_10:00", "2026-06-02_10:00"):
        snapshot(homes, ONE, stamp)
    used(71, 69)
    assert purged(homes) == [("1", "2026-01-20_10:00"), ("1", "2026-01-31_10:00"), ("1", "2026-02-06_10:00")]
    assert snapshots.names(homes.of(ONE)) == [
        f"datastore-{stamp}"
        for stamp in ("2026-01-03_10:00", "2026-02-05_10:00", "2026-06-01_10:00", "2026-06-02_10:00")
    ]


def test_ninety_days_are_kept(homes, used):
    # 2026-06-15 less 90 days is 2026-03-17.
    for stamp in ("2026-03-02_10:00", "2026-03-16_10:00", "2026-03-18_10:00", "2026-06-10_10:00"):
        snapshot(homes, ONE, stamp)
    used(80, 60)
    assert purged(homes) == [("1", "2026-03-16_10:00")]


def test_then_the_oldest_of_those_with_more_than_their_share_and_never_the_newest(homes, used, monkeypatch):
    for day in range(1, 5):
        snapshot(homes, ONE, f"2026-06-0{day}_10:00", size=300_000)
    snapshot(homes, TWO, "2026-06-01_10:00", size=1000)
    snapshot(homes, TWO, "2026-06-02_10:00", size=1000)
    monkeypatch.setattr(Disk, "total_bytes", lambda _: 1_000_000.0)
    used(99)
    # An equal share is 350,000: the first has 1.2 MB, and one snapshot of its own fits in it.
    assert purged(homes) == [("1", f"2026-06-0{day}_10:00") for day in range(1, 4)]
    assert all(homes.of(identity).current.is_dir() for identity in (ONE, TWO))


def test_a_full_snapshot_stays_when_all_newer_ones_are_nearly_empty(homes, used, monkeypatch):
    for stamp, count in (("2026-01-01_10:00", 40), ("2026-05-01_10:00", 50), ("2026-06-01_10:00", 3)):
        snapshot(homes, ONE, stamp, count, size=100_000)
    snapshot(homes, ONE, "2026-06-02_10:00", 2, size=100_000)
    home = homes.of(ONE)
    assert protected(home, snapshots.names(home)) == {"datastore-2026-05-01_10:00", "datastore-2026-06-02_10:00"}
    monkeypatch.setattr(Disk, "total_bytes", lambda _: 1000.0)
    used(99)
    assert purged(homes) == [("1", "2026-01-01_10:00"), ("1", "2026-06-01_10:00")]


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_is_years_wrong_makes_nothing_old(homes, used, years):
    for stamp in ("2026-06-01_10:00", "2026-06-02_10:00", "2026-06-03_10:00"):
        snapshot(homes, ONE, stamp)
    used(80)
    settings = BackupSettings(folder=str(homes.folder), quota_percent=79)
    before = snapshots.names(homes.of(ONE))
    removed = purged(homes, settings, NOW + years * 365 * 86400)
    assert removed == []
    assert snapshots.names(homes.of(ONE)) == before


def test_a_childs_own_quota_counts_without_the_disk_being_full(homes, used):
    for day in range(1, 5):
        snapshot(homes, ONE, f"2026-06-0{day}_10:00", size=300_000)
    used(1)
    settings = BackupSettings(folder=str(homes.folder), child_quota_mib=700_000)
    assert purged(homes, settings) == [("1", "2026-06-01_10:00"), ("1", "2026-06-02_10:00")]


def test_a_dry_run_tells_the_same_and_removes_nothing(homes, used, monkeypatch):
    for day in range(1, 5):
        snapshot(homes, ONE, f"2026-06-0{day}_10:00", size=300_000)
    monkeypatch.setattr(Disk, "total_bytes", lambda _: 1_000_000.0)
    used(99)
    told = purged(homes, dry_run=True)
    assert len(snapshots.names(homes.of(ONE))) == 4
    assert told == purged(homes) != []


def test_a_child_that_is_backing_up_is_left_alone(homes, used):
    for stamp in MONTHLY:
        snapshot(homes, ONE, stamp)
    used(99)
    with homes.locked(ONE):
        assert purged(homes) == []


def test_sizes_are_those_of_du(tmp_path):
    folder = tmp_path / "x"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "file").write_bytes(b"x" * 100_000)
    (folder / "a" / "b" / "again").hardlink_to(folder / "a" / "file")
    (tmp_path / "elsewhere").hardlink_to(folder / "a" / "file")
    du = subprocess.run(["du", "-s", "--block-size=1", folder], capture_output=True, text=True, check=True).stdout
    assert measure(folder).bytes == int(du.split()[0])
    (tmp_path / "elsewhere").unlink()
    assert measure(folder, alone=True) == measure(folder)


def test_a_purge_that_was_interrupted_leaves_no_half_snapshot(homes):
    home = homes.of(ONE)
    snapshot(homes, ONE, "2026-06-01_10:00")
    (home.path / "datastore-2026-06-01_10:00").rename(home.path / ".removing-datastore-2026-06-01_10:00")
    assert snapshots.names(home) == []
    snapshots.tidy(home, NOW)
    assert not [path for path in Path(home.path).iterdir() if path.name.startswith(".removing")]


def test_names_sort_by_time_when_the_clock_jumps(homes):
    home = homes.of(ONE)
    snapshot(homes, ONE, "2026-06-15_11:59")
    assert snapshots.free_name(home, NOW) == "datastore-2026-06-15_12:00"
    assert snapshots.free_name(home, NOW - 86400 * 3650) == "datastore-2026-06-15_12:00"
