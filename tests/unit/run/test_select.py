"""Which schools a run is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import UsageError
from sugar_deploy.run.ansible import Playbook, playbook_argv
from sugar_deploy.run.apply import select
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve


def plan() -> Plan:
    school = {"scenario": "online-peers", "role": "master"}
    schools = {name: school | {"server": {"address": f"{name}.example.org"}} for name in ("feria", "plaza")}
    return resolve(Deployment.model_validate({"version": 1, "name": "lima", "title": "Lima", "schools": schools}))


def test_commas_and_repetition_name_schools() -> None:
    assert [host.name for host in select(plan(), ("plaza, feria",))] == ["feria", "plaza"]
    assert [host.name for host in select(plan(), ())] == ["feria", "plaza"]


@pytest.mark.parametrize("limit", ["", ",", " "])
def test_an_empty_limit_never_means_all_schools(limit: str) -> None:
    with pytest.raises(UsageError, match="names no school"):
        select(plan(), (limit,))


def test_thousands_of_names_stay_out_of_the_command_line() -> None:
    names = tuple(f"school-{number}" for number in range(10_000))
    argv = playbook_argv(Playbook(Path("/p"), limit=names, limit_file=Path("/run/limit")))
    assert argv[argv.index("--limit") + 1] == "@/run/limit"
    assert len(" ".join(argv)) < 1000
