"""`init` writes a file for each scenario that is valid and resolves as it stands, and overwrites nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sugar_deploy.cli import main
from sugar_deploy.deployment import start
from sugar_deploy.deployment.load import load
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.folder import Folder
from sugar_deploy.scenario.resolve import resolve


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("scenario", Scenario)
def test_the_file_is_valid_as_it_stands(
    scenario: Scenario, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", tmp_path / "new" / "Perú norte", "--scenario", scenario.value, "--name", "peru") == 0
    folder = Folder(tmp_path / "new" / "Perú norte")
    assert f"sugar-deploy check -C '{folder.root}'" in capsys.readouterr().out
    deployment = load(folder)
    assert deployment.name == "peru"
    (host,) = resolve(deployment).hosts
    assert host.school.scenario is scenario
    assert "#" in folder.file.read_text("utf-8")
    assert (folder.root / ".gitignore").read_text("utf-8").splitlines()[-1] == "/.sugar-deploy/"
    assert sorted(each.name for each in folder.root.iterdir()) == [".gitignore", "deployment.yml"]


@pytest.mark.parametrize(
    ("directory", "name"),
    [("Lima Norte", "lima-norte"), ("2027", "my-deployment"), ("3.er piso-", "er-piso"), ("Ñandú", "nandu")],
)
def test_the_name_comes_from_the_directory(directory: str, name: str, tmp_path: Path) -> None:
    assert run("init", tmp_path / directory, "--scenario", "online-peers") == 0
    assert load(Folder(tmp_path / directory)).name == name


def test_an_existing_file_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deployment.yml").write_text("mine", "utf-8")
    assert run("init", tmp_path, "--scenario", "online-peers") == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "deployment.yml").read_text("utf-8") == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["deployment.yml"]


def test_a_gitignore_of_ones_own_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".gitignore").write_text("*.bak\n", "utf-8")
    assert run("init", tmp_path, "--scenario", "online-peers", "--name", "lima") == 0
    assert (tmp_path / ".gitignore").read_text("utf-8") == "*.bak\n"
    assert "Your .gitignore is left as it is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenario", "offline"], "'offline' is not one of"),
        ([], "Missing option '--scenario'"),
        (["--scenario", "online-peers", "--name", "Lima Norte"], 'Did you mean "lima-norte"?'),
    ],
)
def test_wrong_usage_writes_nothing(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", tmp_path / "lima", *arguments) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "lima").exists()


def test_a_file_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lima").write_text("", "utf-8")
    assert run("init", tmp_path / "lima", "--scenario", "online-peers") == 2
    assert run("init", tmp_path / "lima" / "norte", "--scenario", "online-peers") == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_filesystem_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    written = start.start(Folder(tmp_path / "stick"), Scenario.ONLINE_PEERS)
    assert [path.name for path in written] == ["deployment.yml", ".gitignore"]
    assert load(Folder(tmp_path / "stick")).name == "stick"


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    assert run("init", tmp_path / "lima", "--scenario", "online-peers") == 2
    assert list((tmp_path / "lima").iterdir()) == []
