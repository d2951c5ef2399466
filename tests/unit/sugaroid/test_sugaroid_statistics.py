"""What sugar-stats' client makes of an answer, and what it uploads."""

from __future__ import annotations

from typing import Any

import pytest
from sugaroid.errors import NotServed
from sugaroid.statistics import Info, read_info, wanted

GOOD = {"enable": True, "step": 60, "rras": ["RRA:AVERAGE:0.5:1:4320"], "status": {"shell": 1769900060}}


def test_an_answer() -> None:
    assert read_info({**GOOD, "more": 1}) == Info(True, 60, ("RRA:AVERAGE:0.5:1:4320",), {"shell": 1769900060})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"enable": "yes"}, "enable"),
        ({"enable": None}, "enable"),
        ({"step": 0}, "step"),
        ({"step": "60"}, "step"),
        ({"step": True}, "step"),
        ({"rras": None}, "rras"),
        ({"rras": [1]}, "rras"),
        ({"status": []}, "status"),
        ({"status": {"shell": "soon"}}, "status"),
    ],
)
def test_answers_that_are_of_no_use(change: dict[str, Any], why: str) -> None:
    with pytest.raises(NotServed, match=why):
        read_info({**GOOD, **change})


def test_only_what_is_wanted_is_uploaded() -> None:
    samples = [(1769900000, {"uptime": 1}), (1769900060, {"uptime": 2}), (1769900120, {"uptime": 3})]
    assert wanted(read_info(GOOD), "shell", samples) == samples[1:]
    assert wanted(read_info(GOOD), "journal", samples) == samples
    assert wanted(read_info({**GOOD, "enable": False}), "shell", samples) == []
