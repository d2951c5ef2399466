"""Each folder of cases/ through the command line, against the lines that a deployer should see."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.cli import main

CASES = Path(__file__).parent / "cases"


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("case", sorted(each.name for each in CASES.glob("valid-*")))
def test_valid(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["check", "-C", str(CASES / case)])
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out == f"{CASES / case / 'deployment.yml'}: {(CASES / case / 'expected').read_text('utf-8')}"
    assert code == 0


@pytest.mark.parametrize("case", sorted(each.name for each in CASES.glob("invalid-*")))
def test_invalid(case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES / case)
    code = run(["check"])
    said = capsys.readouterr()
    assert said.err.splitlines() == Path("expected").read_text("utf-8").splitlines()
    assert said.out == ""
    assert code == 2


@pytest.mark.parametrize("words", ["check", "render -o out", "plan", "status --offline", "repo publish"])
def test_files_are_named_as_they_are_reached(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lima"
    folder.mkdir()
    (folder / "deployment.yml").write_text(
        "version: 1\nname: lima\ntitle: Lima\nschools_from: lists/schools.csv\nschools:\n"
        "  puno: {scenario: online-peers, server: {address: a.example.org}, laptops: lists/puno.csv}\n"
    )
    (folder / "lists").mkdir()
    (folder / "lists" / "schools.csv").write_text("name,scenario,server.address\npuno,online-peers,b.example.org\n")
    (folder / "lists" / "puno.csv").write_text("serial\nSHC00700123\nSHC007\n")
    monkeypatch.chdir(tmp_path)
    assert run([*words.split(), "-C", "lima"]) == 2
    schools, laptops = sorted(capsys.readouterr().err.splitlines(), reverse=True)
    assert laptops.startswith("lima/lists/puno.csv:3:1: serial: ")
    assert schools.startswith("lima/lists/schools.csv:2:1: schools.puno: ")
    assert '"puno" is already a school of lima/deployment.yml, line 6.' in schools
