"""When a laptop makes no backup."""

from __future__ import annotations

from pathlib import Path

import pytest
from sugar_client.backup.guards import State, nothing_to_do, told_to_wait
from sugar_client.profile import Profile

NOON = 1_800_000_000.0


def _supply(power: Path, name: str, **files: str) -> None:
    (power / name).mkdir(parents=True)
    for file, text in files.items():
        (power / name / file).write_text(text + "\n")


@pytest.mark.parametrize(
    ("status", "capacity", "mains", "reason"),
    [
        ("Discharging", "29", "0", "on battery with 29 % left"),
        ("Discharging", "30", "0", ""),
        ("Discharging", "5", "1", ""),
        ("Charging", "5", "0", ""),
    ],
)
def test_a_weak_battery(tmp_path: Path, status: str, capacity: str, mains: str, reason: str):
    _supply(tmp_path, "AC", type="Mains", online=mains)
    _supply(tmp_path, "BAT0", type="Battery", status=status, capacity=capacity)
    _supply(tmp_path, "mouse", type="Battery", scope="Device", status="Full", capacity="100")
    assert nothing_to_do(State(), NOON, tmp_path) == reason


def test_a_machine_without_batteries(tmp_path: Path):
    assert nothing_to_do(State(), NOON, tmp_path / "none") == ""


def test_once_a_day(tmp_path: Path):
    state = State().done("datastore-2027-01-15_08:00", NOON)
    assert "already backed up today" in nothing_to_do(state, NOON + 60, tmp_path)
    assert nothing_to_do(state, NOON + 24 * 3600, tmp_path) == ""
    # A clock that was set back a year holds no backup up.
    assert nothing_to_do(state, NOON - 365 * 24 * 3600, tmp_path) == ""


def test_a_busy_server_is_left_alone_and_laptops_spread():
    waits = {State().wait(600, NOON).not_before - NOON for _ in range(100)}
    assert min(waits) >= 600
    assert max(waits) <= 900
    assert len(waits) > 50
    state = State().wait(600, NOON)
    assert told_to_wait(state, NOON + 599)
    assert not told_to_wait(state, NOON + 901)
    assert not told_to_wait(state, NOON - 365 * 24 * 3600)


@pytest.mark.parametrize("text", ["", "[]", '{"done_on": 3, "not_before": "x"}', "\0"])
def test_a_damaged_state_is_as_none(tmp_path: Path, text: str):
    profile = Profile(tmp_path)
    (profile.make_own() / "backup.json").write_text(text)
    assert State.read(profile) == State()


def test_the_state_is_kept(tmp_path: Path):
    state = State().done("datastore-2027-01-15_08:00", NOON)
    state.write(Profile(tmp_path))
    assert State.read(Profile(tmp_path)) == state
