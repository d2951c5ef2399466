"""What `plan` and `apply` print, and when nobody is asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.cli import apply as module
from sugar_deploy.cli import main
from sugar_deploy.run.apply import Request
from sugar_deploy.run.events import HostResult
from sugar_deploy.run.job import Outcome
from sugar_deploy.run.store import Run

CHANGE = {"phase": "base", "task": "Name the server"}


class Runs:
    """Stands in for Ansible: how runs end, and which were asked for."""

    def __init__(self, folder: Path) -> None:
        self.verbs: list[str] = []
        self.status = "done"
        self.run = Run(folder / "20261126T120000Z-plan")

    def __call__(self, request: Request, **_: Any) -> Outcome:
        self.verbs.append(request.verb)
        failed = self.status == "failed"
        message = "no space left on the disk" if failed else ""
        host = HostResult("lima", changed=1, failed=failed, message=message, changes=[dict(CHANGE)], finished=True)
        return Outcome(self.run, self.status, {"lima": host}, 3.0, "", "ansible-playbook site.yml")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs(tmp_path)
    monkeypatch.setattr(module, "_execute", made)
    return made


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_a_plan_shows_what_would_change(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan") == 0
    assert "lima: base: Name the server" in capsys.readouterr().out


def test_a_quiet_plan_says_nothing_when_it_is_well(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plan", "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_a_quiet_plan_says_only_what_failed(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    runs.status = "failed"
    assert run("plan", "-q") == 1
    said = capsys.readouterr().out
    assert "no space left on the disk" in said
    assert "Name the server" not in said


def test_nobody_is_asked_after_a_preview_that_failed(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    runs.status = "failed"
    assert run("apply") == 1
    said = capsys.readouterr().out
    assert "Apply?" not in said
    assert "no space left on the disk" in said
    assert "Nothing was changed." in said
    assert runs.verbs == ["plan"]
    assert run("apply", "--json") == 1
    assert json.loads(capsys.readouterr().out)["status"] == "failed"


def test_one_is_asked_after_a_preview_that_is_well(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _text: "y")
    assert run("apply") == 0
    assert runs.verbs == ["plan", "apply"]
