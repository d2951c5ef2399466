"""What the laptops of `verify --load` do at which school, and what is made of their report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.remote.session import Answer
from sugar_deploy.run.load import LoadingVerifier, load_argv, load_checks, load_services, read_load
from sugar_deploy.run.verify import Check, SchoolReport, Verifier

from .test_verify import host

FIGURE = {
    "done": 3,
    "failed": 0,
    "later": 0,
    "per_second": 1.0,
    "seconds": {"p50": 0.21, "p95": 0.5, "p99": 0.52, "max": 0.6},
    "waited_here_p99": 0.0,
    "bytes": 7,
    "reasons": {},
}
REPORT: dict[str, Any] = {
    "ok": True,
    "interrupted": False,
    "seed": "s",
    "laptops": 4,
    "day_before": {"seconds": 1.0, "figures": {"registration": FIGURE}},
    "morning": {"seconds": 1.0, "figures": {"backup": FIGURE}},
    "identities": [{"serial": "LOD00000000", "fingerprint": "SHA256:x", "jid": "a@b"}],
}


def test_they_use_what_the_school_serves() -> None:
    everything = ["registration", "backup", "restore", "updates", "statistics", "pages"]
    assert load_services(host("offline-server")) == everything
    assert load_services(host("online-peers")) == ["registration", "updates", "statistics"]
    assert load_services(host("offline-server", backup={"enabled": False})) == [
        *("registration", "updates", "statistics", "pages")
    ]


def test_none_comes_where_none_may_register() -> None:
    assert load_services(host("offline-server", registration={"enabled": False})) == []


def test_the_command() -> None:
    words = load_argv(host("offline-server"), ["registration"], 30, "a b", on_laptop=False)
    assert words == (
        *("sugaroid", "load", "--json", "--server", "feria.lan", "--address", "172.18.96.1"),
        *("--laptops", "30", "--seed", "a b", "--compress", "10", "--services", "registration"),
    )


def test_each_thing_is_a_check() -> None:
    report = json.loads(json.dumps(REPORT))
    report["morning"]["figures"]["backup"] |= {"failed": 2, "later": 1, "reasons": {"refused": 2}}
    checks = list(load_checks(report))
    assert [(check.service, check.check, check.ok) for check in checks] == [
        ("load", "registration, day before", True),
        ("load", "backup, morning", False),
    ]
    told = "3 done, half of them within 0.2 s, 99 of 100 within 0.5 s; 1 were told to come later; 2 failed: refused"
    assert checks[1].seen == told


def test_nothing_but_later_and_an_interruption_are_red() -> None:
    report = json.loads(json.dumps(REPORT))
    report["morning"]["figures"]["backup"] |= {"done": 0, "later": 4}
    assert [check.ok for check in load_checks(report)] == [True, False]
    assert [check.ok for check in load_checks({**REPORT, "interrupted": True})] == [True, True, False]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"identities": 3}'])
def test_no_report(text: str) -> None:
    with pytest.raises(DeployError, match="sugaroid did not report: no such command"):
        read_load(Answer(2, text, "no such command\n"))


@pytest.mark.parametrize("laptops", [0, 1001])
def test_not_too_many(laptops: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--load"):
        LoadingVerifier(Folder(tmp_path), None, {}, laptops)


def test_the_load_comes_after_the_checks_and_its_laptops_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[object] = []

    def school(_: Verifier, of: object) -> SchoolReport:
        ran.append("checks")
        return SchoolReport("feria", "the server itself", (Check("http", "a page", "GET", "it", ok=True),))

    def sugaroid(_: Verifier, _vantage: object, argv: tuple[str, ...], _seconds: float) -> Answer:
        ran.append(argv[:2])
        return Answer(0, json.dumps(REPORT), "")

    def forget(_: Verifier, _host: object, identities: list[str], *, backups: bool) -> None:
        ran.append((identities, backups))

    monkeypatch.setattr(Verifier, "school", school)
    monkeypatch.setattr(Verifier, "sugaroid", sugaroid)
    monkeypatch.setattr(Verifier, "forget", forget)
    report = LoadingVerifier(Folder(tmp_path), None, {}, 4).school(host("offline-server"))
    assert ran == ["checks", ("sugaroid", "load"), (["SHA256:x"], True)]
    assert report.ok
    assert [check.service for check in report.checks] == ["http", "load", "load"]
