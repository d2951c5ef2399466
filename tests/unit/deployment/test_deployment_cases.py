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
def test_invalid(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["check", "-C", str(CASES / case)])
    said = capsys.readouterr()
    assert said.err.splitlines() == (CASES / case / "expected").read_text("utf-8").splitlines()
    assert said.out == ""
    assert code == 2
