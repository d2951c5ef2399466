"""`backup` and `restore` as their deployer sees them, where no server is reached."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sugar_deploy.cli import backup as commands
from sugar_deploy.cli import main
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.run.copies import latest_backup
from sugar_deploy.run.events import HostResult
from sugar_deploy.run.job import Outcome
from sugar_deploy.run.store import Run


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def lima(tmp_path: Path) -> Path:
    start(Folder(tmp_path / "lima"), Scenario.OFFLINE_SERVER, None)
    return tmp_path / "lima"


def manifest(folder: Path, school: str, date: str) -> None:
    told = {"made_at": date, "state": {"size": 500_000}, "bulk": [{"files": 7, "bytes": 1_000_000}]}
    (folder / school).mkdir(parents=True, exist_ok=True)
    (folder / school / f"{date}.json").write_text(json.dumps(told))


class Asked:
    """Stands for the run of a playbook, and remembers what was asked for."""

    def __init__(self, *, failed: bool = False) -> None:
        self.failed, self.requests, self.options = failed, [], {}  # type: ignore[var-annotated]

    def __call__(self, request: Any, _plan: Any, _watch: Any, *wanted: Any, **options: Any) -> Outcome:
        self.requests.append(request)
        self.options = {**options, "wanted": wanted}
        host = HostResult(
            "san-martin", finished=True, failed=self.failed, message="broken off" if self.failed else ""
        )
        host.warnings.append("what the server had before is in /x")
        if options.get("to") and not self.failed:
            manifest(options["to"], "san-martin", "2026-11-26T100000Z")
        run = Run(request.folder.runs / "r")
        status = "failed" if self.failed else "done"
        return Outcome(run, status, {"san-martin": host}, 12.0, "", "ansible-playbook …")


def test_a_backup_tells_what_is_saved_and_where(
    lima: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked()
    monkeypatch.setattr(commands, "back_up", asked)
    status, out, _ = run(capsys, "backup", "-C", str(lima), "san-martin", "--check")
    assert status == 0
    assert f"san-martin: 7 files, 1.5 MB, 2026-11-26T100000Z: {lima}/backups/san-martin" in out
    assert (asked.requests[0].limit, asked.options["check"]) == (("san-martin",), True)
    _, out, _ = run(capsys, "backup", "-C", str(lima), "--to", str(lima / "stick"), "--json")
    (saved,) = json.loads(out)["backups"].items()
    assert saved == (
        "san-martin",
        {"folder": f"{lima}/stick/san-martin", "date": "2026-11-26T100000Z", "files": 7, "bytes": 1_500_000},
    )
    assert run(capsys, "backup", "-C", str(lima), "-q") == (0, "", "")


def test_a_failed_backup_says_how_to_go_on(
    lima: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "back_up", Asked(failed=True))
    status, out, _ = run(capsys, "backup", "-C", str(lima), "-q")
    assert status == 1
    assert "broken off" in out
    assert f"To go on from there: sugar-deploy backup -C {lima}\n" in out
    # Without the options it would go on in another folder, with all schools.
    _, out, _ = run(capsys, "backup", "-C", str(lima), "san-martin", "--to", str(lima / "a stick"), "--check")
    assert f"sugar-deploy backup -C {lima} san-martin --to '{lima}/a stick' --check\n" in out


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_an_unknown_school_is_told(lima: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, command, "-C", str(lima), "cusco")
    assert status == 2
    assert "no school is called cusco" in err


def test_without_a_backup_there_is_nothing_to_restore(
    lima: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(capsys, "restore", "-C", str(lima), "san-martin", "--from", str(tmp_path))
    assert status == 2
    assert f"{tmp_path} holds no backup of san-martin" in err
    assert not (lima / "repository").exists(), "nothing was built for it"


def test_nothing_is_replaced_where_nobody_can_be_asked(
    lima: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    status, _, err = run(capsys, "restore", "-C", str(lima), "san-martin", "--replace")
    assert status == 2
    assert "--yes" in err


def test_a_restore_tells_where_former_things_are(
    lima: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked()
    monkeypatch.setattr(commands, "bring_back", asked)
    monkeypatch.setattr(commands, "prepare", lambda _folder, _say, _check: None)
    words = ("--date", "2026-11-25T100000Z", "--replace", "--yes")
    status, out, _ = run(capsys, "restore", "-C", str(lima), "san-martin", *words)
    assert status == 0
    assert "san-martin: what the server had before is in /x" in out
    assert f"Next: sugar-deploy verify -C {lima} --limit san-martin" in out
    (wanted,) = asked.options["wanted"]
    assert (wanted.date, wanted.replace, wanted.damaged_too) == ("2026-11-25T100000Z", True, False)

    monkeypatch.setattr(commands, "bring_back", Asked(failed=True))
    _, out, _ = run(capsys, "restore", "-C", str(lima), "san-martin", *words, "--damaged-too")
    go_on = f"sugar-deploy restore -C {lima} san-martin --date 2026-11-25T100000Z --damaged-too\n"
    assert go_on in out, "another --replace would drop what the first one moved aside"


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    manifest(tmp_path, "san-martin", "2026-11-26T100000Z")
    (tmp_path / "san-martin" / "2026-11-26T100000Z.json").write_text("{")
    with pytest.raises(DeployError, match="is damaged"):
        latest_backup(tmp_path, "san-martin")
