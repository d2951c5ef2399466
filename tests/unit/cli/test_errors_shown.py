"""What goes wrong is told to people on standard error, and to scripts in JSON as well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sugar_deploy.cli import main
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def lima(tmp_path: Path) -> str:
    start(Folder(tmp_path / "lima"), Scenario.OFFLINE_SERVER, None)
    return str(tmp_path / "lima")


def test_an_error_is_json_too(lima: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "plan", "-C", lima, "--limit", "nosuch", "--json")
    told = json.loads(out)
    assert status == 2
    assert set(told) == {"error", "remedy"}
    assert "nosuch" in told["error"]
    assert told["error"] in err and told["remedy"] in err


def test_without_json_standard_output_is_empty(lima: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "plan", "-C", lima, "--limit", "nosuch")
    assert (status, out) == (2, "")
    assert "nosuch" in err


def test_wrong_usage_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "check", "--json", "--wrong")
    assert status == 2
    assert "--wrong" in json.loads(out)["error"]
    assert "Usage:" in err


def test_a_broken_tree_is_one_json_object(lima: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "repo", "verify", "-C", lima, "--json")
    assert status == 1
    assert json.loads(out)
    assert err


def test_another_programs_words_are_not_ours(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "lab", "shell", "--lab", "lab-none", "lima", "--", "ip", "--json")
    assert status != 0
    assert out == ""


@pytest.mark.parametrize("words", ["check", "render", "plan", "status", "repo list", "verify"])
def test_a_name_that_cannot_be_is_wrong_input(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, *words.split(), "-C", "x" * 5000)
    assert (status, out) == (2, "")
    assert "File name too long" in err
    assert len(err) < 1000
