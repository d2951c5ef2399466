"""What `sugar-deploy lab` says to those who ask for what cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from sugar_deploy.cli import main
from sugar_deploy.cli.lab import lab


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["lab", *words])
    return int(ended.value.code or 0), capsys.readouterr().err


@pytest.fixture(autouse=True)
def _own_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUGAR_DEPLOY_LAB_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.parametrize(
    "words",
    [
        ("up",),
        ("test",),
        ("down",),
        ("list",),
        ("shell", "lima"),
        ("ssh-config",),
        ("backends",),
        ("apply",),
        ("verify",),
    ],
)
def test_without_root_it_says_how(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    status, said = run(capsys, *words)
    assert status == 2
    assert "Run it with sudo" in said


@pytest.mark.parametrize("words", [("down",), ("shell", "lima"), ("ssh-config",), ("apply",), ("verify",)])
def test_without_a_lab_it_says_how_to_get_one(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    status, said = run(capsys, *words)
    assert status == 2
    assert "No lab is up. Start one: sugar-deploy lab up" in said


def test_an_unknown_lab_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = run(capsys, "down", "lab-nowhere")
    assert (status, "There is no lab lab-nowhere" in said) == (1, True)


def test_a_scenario_and_a_folder_at_once_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, said = run(capsys, "up", "--scenario", "peer-server", "-C", str(tmp_path))
    assert (status, "Name one" in said) == (2, True)


@pytest.mark.parametrize("name", ["../etc", "Lab", "a b", "x" * 40, "-x"])
def test_a_labs_name_is_no_path(capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, said = run(capsys, "up", f"--name={name}")
    assert status == 2
    assert "no name for a lab" in said


def test_every_command_has_an_example() -> None:
    for name in lab.commands:
        said = CliRunner().invoke(lab, [name, "--help"]).output
        assert f"sugar-deploy lab {name}" in said, name
