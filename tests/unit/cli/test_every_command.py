"""The contract of every command: -v and -q, and a --help with an example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from sugar_deploy.cli import cli, main
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder
from sugar_deploy.lab import launch, session


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


EVERY = dict(commands(cli))
LEAVES = [path for path, command in EVERY.items() if not isinstance(command, click.Group)]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_help_has_an_example(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    status, said, _ = run(capsys, *path, "--help")
    assert status == 0
    _before, found, examples = said.partition("Example:")
    assert found
    assert f"sugar-deploy {' '.join(path)}" in examples


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_more_or_less_may_be_said(path: tuple[str, ...]) -> None:
    options = {word: each for each in EVERY[path].params if isinstance(each, click.Option) for word in each.opts}
    assert options["-v"] is options["--verbose"]
    assert options["-v"].count
    assert options["-q"] is options["--quiet"]
    assert options["-q"].is_flag


@pytest.fixture
def lima(tmp_path: Path) -> Path:
    start(Folder(tmp_path / "lima"), Scenario.OFFLINE_SERVER, None)
    return tmp_path / "lima"


QUIET = ["check", "render", "status --offline"]


@pytest.mark.parametrize("words", QUIET)
def test_a_quiet_command_says_nothing_when_all_is_well(
    words: str, lima: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, *words.split(), "-C", str(lima), "-q") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ("check", "san-martin: offline-server, master, 192.0.2.10, 0 laptops"),
        (
            "render",
            "san-martin: backup, dhcp, dns, firewall, ntp, pages, presence, registration, statistics, updates, "
            "upgrades; ",
        ),
    ],
)
def test_a_verbose_command_says_more(words: str, more: str, lima: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert more not in run(capsys, words, "-C", str(lima))[1]
    assert more in run(capsys, words, "-C", str(lima), "-v")[1]


def test_what_is_wrong_is_said_however_quiet(lima: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (lima / "deployment.yml").write_text("version: 2\n")
    status, out, err = run(capsys, "check", "-C", str(lima), "-q")
    assert (status, out) == (2, "")
    assert "version" in err


def test_init_is_quiet_or_shows_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--scenario", "peer-server")
    assert run(capsys, "init", str(tmp_path / "a"), *words, "-q") == (0, "", "")
    assert (tmp_path / "a" / "deployment.yml").is_file()
    assert "\nschools:\n" in run(capsys, "init", str(tmp_path / "b"), *words, "-v")[1]


def test_the_schema_stays_json_however_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    _, plain, silent = run(capsys, "schema")
    _, out, err = run(capsys, "schema", "-v")
    assert (out, silent) == (plain, "")
    assert json.loads(out)
    assert "Registration" in err


def test_labs_are_listed_by_name_only_or_in_full(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = SimpleNamespace(spec=SimpleNamespace(kind="server"), port=40001, console="/x/lima.console.log")
    place = SimpleNamespace(identity="lab-1", deployment="/x/_deployment")
    lab: Any = SimpleNamespace(place=place, suite="trixie", backend="nspawn", machines={"lima": machine})
    monkeypatch.setattr(session, "attachable", lambda: [lab])
    monkeypatch.setattr(launch, "require_root", lambda: None)
    assert run(capsys, "lab", "list", "-q") == (0, "lab-1\n", "")
    assert "port 40001" not in run(capsys, "lab", "list")[1]
    assert "port 40001" in run(capsys, "lab", "list", "-v")[1]
