"""The figures and the plan of a school morning."""

from __future__ import annotations

import asyncio

import pytest
from sugaroid import cli
from sugaroid.errors import NotServed
from sugaroid.load.figures import Figures, Later, Outcome, percentile
from sugaroid.load.plan import SERVICES, plan


@pytest.mark.parametrize(
    ("share", "expected"),
    # The nearest-rank examples of a table of statistics: 15, 20, 35, 40, 50.
    [(0.05, 15), (0.3, 20), (0.4, 20), (0.5, 35), (1.0, 50)],
)
def test_percentiles_are_of_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([50, 15, 40, 20, 35], share) == expected
    assert percentile([], share) == 0


def test_waiting_for_a_turn_is_not_hidden_and_nothing_is_lost_side_by_side() -> None:
    async def moves() -> int:
        await asyncio.sleep(0.2)
        return 7

    async def refuses() -> int:
        raise NotServed("no\x1b")

    async def puts_off() -> int:
        raise Later("later")

    async def hangs() -> int:
        await asyncio.sleep(9)
        return 0

    async def measured() -> tuple[Figures, list[Outcome]]:
        figures, turn = Figures(), asyncio.Semaphore(2)
        done = [figures.measure("x", turn, action, 0.5) for action in (*[moves] * 4, refuses, puts_off, hangs)]
        return figures, list(await asyncio.gather(*done))

    figures, outcomes = asyncio.run(measured())
    assert outcomes == [Outcome.DONE] * 4 + [Outcome.FAILED, Outcome.LATER, Outcome.FAILED]
    found = figures.of["x"].as_dict()
    assert (found["done"], found["failed"], found["later"], found["bytes"]) == (4, 2, 1, 28)
    assert found["reasons"] == {"no\x1b": 1, "nothing within 0.5 s": 1}
    assert found["seconds"]["p50"] >= 0.2
    assert found["seconds"]["max"] >= 0.4
    assert 0.2 <= found["waited_here_p99"] < found["seconds"]["max"]
    assert not figures.ok


def test_a_plan_does_not_depend_on_how_many_there_are_or_on_other_services() -> None:
    school = plan(300, "s", 30, SERVICES)
    assert plan(40, "s", 30, SERVICES) == school[:40]
    only = [[deed for deed in one.deeds if deed.name == "backup"] for one in plan(300, "s", 30, ("backup",))]
    assert only == [[deed for deed in one.deeds if deed.name == "backup"] for one in school]
    assert len({one.serial for one in school}) == 300
    assert {one.kind for one in school} == {"ed25519", "dsa", "rsa"}
    assert 10 <= sum(one.new for one in school) <= 60
    assert all(0 <= one.deeds[0].at <= 1800 for one in school)
    # Keys of old cannot read backups, and who is new has none.
    restoring = [one for one in school if "restore" in {deed.name for deed in one.deeds}]
    assert restoring
    assert all(one.kind == "ed25519" and not one.new for one in restoring)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--laptops", "0"], "from 1 to 10000"),
        (["--laptops", "5", "--services", "presence"], "no service 'presence'; known are registration"),
        (["--laptops", "5", "--services", ""], "nothing to do"),
        (["--laptops", "5", "--compress", "0"], "--compress"),
        (["--laptops", "5", "--minutes", "-1"], "--minutes"),
        (["--laptops", "5", "--at-once", "0"], "--at-once"),
        (["--laptops", "5", "--folder", "/etc"], "/etc is not empty"),
    ],
)
def test_wrong_words(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["load", "--server", "x", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert len(err.splitlines()) == 1
