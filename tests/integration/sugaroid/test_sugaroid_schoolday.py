"""A school's day against a real Prosody: exact with our modules, and what is wrong is found and counted."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from sugaroid import cli
from sugaroid.profile import Profile
from sugaroid.schoolday.day import Day, Phase, Settings
from sugaroid.schoolday.ledger import Faults

from . import prosody as prosodies
from .services import Services

COUNT = 30
EVERY_PAIR = COUNT * (COUNT - 1)


def _settings(server: prosodies.Prosody, **changes: object) -> Settings:
    given = {"count": COUNT, "address": server.address, "port": server.port, "lesson_seconds": 5.0}
    return Settings(server.domain, **{**given, "idle_seconds": 0.5, "rest_seconds": 2.0, **changes})


def test_a_day_is_exact(
    prosody: prosodies.Prosody, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = ["schoolday", "--server", prosody.domain, "--address", prosody.address, "--json"]
    argv += ["--presence-port", str(prosody.port), "--count", str(COUNT), "--registered", "40", "--seed", "exact"]
    assert cli.main([*argv, "--seconds", "6", "--idle", "0.5", "--limit", "30"]) == 0

    phases = {found["name"]: found for found in map(json.loads, capsys.readouterr().out.splitlines())}
    assert list(phases) == ["enrol", "arrive", "rejoin", "introduce", "idle", "lesson", "reconnect", "leave"]
    assert all(found["ok"] and found["end"] == "exact" and not found["refused"] for found in phases.values())
    # Not even what each publishes anew when it comes back.
    assert {name: found["twice"] for name, found in phases.items() if found["twice"]} == {}
    assert prosody.accounts() == set()
    # Each of the pairs was told of by a roster item and a presence, and by three items.
    assert phases["arrive"]["received_bytes"] > 250 * EVERY_PAIR
    assert phases["introduce"]["received_bytes"] > 3 * 250 * EVERY_PAIR
    assert 0 < phases["lesson"]["waits"][0] <= phases["lesson"]["waits"][1]


def test_all_register_with_the_school_server_where_wanted(
    prosody: prosodies.Prosody, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.start()
    argv = ["schoolday", "--server", prosody.domain, "--address", prosody.address, "--count", "5", "--register"]
    argv += ["--presence-port", str(prosody.port), "--registration-port", str(services.port), "--seed", "registers"]
    assert cli.main([*argv, "--json", "--seconds", "1", "--idle", "0.1", "--limit", "30"]) == 0

    known = json.loads(services.sugar_server("registrations", "--json").stdout)
    expected = [Profile.make(f"registers-{number}").pubkey for number in range(5)]
    assert sorted(row["pubkey"] for row in known) == sorted(expected)

    # Without the school server, the day ends with the first who cannot register.
    services.stop()
    capsys.readouterr()
    assert cli.main([*argv, "--json", "--limit", "30"]) == 1
    (phase,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (phase["name"], phase["end"]) == ("enrol", "unfinished")
    assert "no answer to use" in phase["failure"]


def _phases(settings: Settings, disturb: str = "") -> dict[str, Phase]:
    async def run() -> dict[str, Phase]:
        day = Day(settings)

        async def before(name: str) -> None:
            if name == disturb:
                day.present[3].drop()  # which the roll does not know

        found = {}
        try:
            async for phase in day.run(before):
                found[phase.name] = phase
                if phase.end != "exact":
                    break
        finally:
            await day.end()
        return found

    return asyncio.run(asyncio.wait_for(run(), 60))


def test_one_who_is_gone_is_missed_by_all_others(prosody: prosodies.Prosody) -> None:
    found = _phases(_settings(prosody, seed="gone"), disturb="idle")

    assert found["introduce"].ok
    assert found["idle"].end == "inexact"
    # By each of the 29; and of their three items, what was seen is forgotten.
    assert found["idle"].faults == Faults(unseen=29, undrawn=29, stale=3 * 29)


def test_without_a_shared_roster_nobody_sees_anybody(tmp_path: Path) -> None:
    listed = '"disco", "roster", "saslauth", "tls", "pep", "register", "sugar_register", "sugar_replies"'
    with prosodies.running(tmp_path, extra=f"modules_enabled = {{ {listed} }}") as server:
        found = _phases(_settings(server, seed="none"))

    assert list(found) == ["enrol", "arrive"]
    assert found["arrive"].end == "inexact"
    assert found["arrive"].faults == Faults(unseen=EVERY_PAIR, undrawn=EVERY_PAIR)


def test_a_phase_that_takes_too_long_is_said_to_be_unfinished(prosody: prosodies.Prosody) -> None:
    found = _phases(_settings(prosody, seed="slow", limit_seconds=0.05))

    assert list(found) == ["enrol"]
    assert (found["enrol"].end, found["enrol"].ok) == ("unfinished", False)
