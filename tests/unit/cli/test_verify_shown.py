"""`verify` says what was tried and what was seen, of what works as well, on lines that one can read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sugar_deploy.cli import main
from sugar_deploy.cli.lab_report import report as show_trial
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder
from sugar_deploy.lab import steps
from sugar_deploy.run.verify import Check, SchoolReport, Verifier
from sugar_deploy.scenario.plan import Host

MANY = " ".join(f"name{number}.lan" for number in range(30))
CHECKS = (
    Check("dns", "names of the server", f"{MANY} at 172.18.96.1", "all of them are 172.18.96.1", True, 0.2),
    Check("presence", "an account", "port 5222 of san-martin.lan", "connection \x1b[2Jrefused", False, 1.5),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    made = Folder(tmp_path / "lima")
    start(made, Scenario.OFFLINE_SERVER, None)

    def seen(_self: Verifier, host: Host) -> SchoolReport:
        return SchoolReport(host.name, "a laptop", CHECKS, ("dhcp",))

    monkeypatch.setattr(Verifier, "school", seen)
    return made


def said_by(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["verify", *words])
    assert ended.value.code == 1
    return capsys.readouterr().out


def test_both_are_printed_of_each_check(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(capsys, "-C", str(folder.root))
    lines = said.splitlines()
    assert max(map(len, lines)) <= 100
    first = lines.index("  ok   dns: names of the server")
    assert lines[first + 1].startswith("       tried: name0.lan name1.lan ")
    assert "       seen:  all of them are 172.18.96.1" in lines
    second = lines.index("  FAIL presence: an account")
    assert lines[second + 1 : second + 3] == [
        "       tried: port 5222 of san-martin.lan",
        "       seen:  connection \ufffd[2Jrefused",
    ]
    assert "0 of 1 schools serve their laptops as described." in said


def test_more_and_less_may_be_said(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    assert "  FAIL presence: an account (1.5 s)" in said_by(capsys, "-C", str(folder.root), "-v")
    assert "schools serve" not in said_by(capsys, "-C", str(folder.root), "-q")


def test_the_lab_prints_both_as_well(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    school = SchoolReport("lima", "a laptop", CHECKS).as_dict()
    printed = json.dumps({"ok": False, "schools": {"lima": school}})

    def own(words: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 1, printed, "")

    monkeypatch.setattr(steps, "own", own)
    monkeypatch.setattr(steps, "verify_words", lambda *_: ("verify",))
    lab: Any = SimpleNamespace()
    trial = steps.Steps()
    assert not trial.run_all([("verify from the laptops", lambda: steps.verify(lab, folder))])
    show_trial(trial)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert "       lima: ok: dns: names of the server" in lines
    assert any(line.startswith("         tried: name0.lan") for line in lines)
    assert "         seen:  all of them are 172.18.96.1" in lines
