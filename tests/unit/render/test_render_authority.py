"""What a project holds of the deployment's authority, by the command that makes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from sugar_deploy.cli.keys import keys
from sugar_deploy.deployment.load import load
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.render.project import render
from sugar_deploy.scenario.resolve import resolve


def _school(number: int, federation: str | None) -> dict[str, object]:
    return {
        "scenario": "online-peers",
        "role": "node",
        "server": {"address": f"192.0.2.{number}", "fqdn": f"s{number}.example"},
        "services": {"presence": {"federation": federation}},
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "andes").mkdir()
    folder = Folder(tmp_path / "andes")
    _describe(folder, lima=_school(1, "valle"), cusco=_school(2, "valle"), ica={**_school(3, None), "role": "master"})
    return folder


def _describe(folder: Folder, **schools: object) -> None:
    data = {"version": 1, "name": "andes", "title": "Andes", "schools": schools}
    folder.file.write_text(yaml.safe_dump(data))


def _render(folder: Folder, out: Path) -> list[str]:
    render(resolve(load(folder)), folder, out)
    return sorted(str(path.relative_to(out)) for path in (out / "files").rglob("*.crt"))


def _make(folder: Folder) -> str:
    made = CliRunner().invoke(keys, ["authority", "-C", str(folder.root)], catch_exceptions=False)
    assert made.exit_code == 0
    return made.output


def test_the_authority_s_certificate_travels_and_no_key_in_the_clear(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is of a federation.* and there is none"):
        _render(folder, tmp_path / "out")
    assert "authority.crt: made, valid until" in _make(folder)
    assert "there already" in _make(folder)
    assert _render(folder, tmp_path / "out") == ["files/authority.crt"]
    assert not [path for path in (tmp_path / "out/secrets").iterdir() if b"PRIVATE" in path.read_bytes()]


def test_schools_by_themselves_may_have_it_and_need_not(folder: Folder, tmp_path: Path) -> None:
    _describe(folder, ica={**_school(3, None), "role": "master"})
    assert _render(folder, tmp_path / "out") == []
    _make(folder)
    assert _render(folder, tmp_path / "out") == ["files/authority.crt"]
