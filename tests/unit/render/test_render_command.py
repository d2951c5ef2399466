"""`sugar-deploy render` as a deployer or a script calls it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sugar_deploy.run.lock import deployment_lock
from tests.unit.render.golden import CASES

MIXTURE = next(case for case in CASES if case.name == "mixture")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(MIXTURE, tmp_path / "andes", ignore=shutil.ignore_patterns("expected"))
    return tmp_path / "andes"


def render(*arguments: str | Path, status: int = 0, cwd: Path | None = None) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "sugar_deploy", "render", *arguments], capture_output=True, text=True, cwd=cwd
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def test_says_what_and_where_and_what_next(folder: Path) -> None:
    out, errors = render("-C", folder)
    assert out.splitlines() == [
        "andes: 12 schools (3 offline-server, 1 online-peers, 7 online-server, 1 peer-server)",
        f"Rendered into {folder}/.sugar-deploy/rendered",
        f"Next: sugar-deploy host add capital -C {folder}",
    ]
    assert "overrides/dnsmasq/library.conf.bak" in errors
    assert (folder / ".sugar-deploy" / "rendered" / "site.yml").is_file()
    (folder / "known_hosts").write_text("198.51.100.4 ssh-ed25519 AAAA\n")
    assert f"Next: sugar-deploy plan -C {folder}" in render("-C", folder)[0]


def test_json_for_scripts(folder: Path) -> None:
    told = json.loads(render("-C", folder, "-o", folder.parent / "out", "--json")[0])
    assert told == {
        "deployment": "andes",
        "out": str(folder.parent / "out"),
        "schools": 12,
        "scenarios": {"offline-server": 3, "online-peers": 1, "online-server": 7, "peer-server": 1},
        "left_out": ["overrides/dnsmasq/library.conf.bak"],
        "next": f"sugar-deploy host add capital -C {folder}",
    }


def test_an_invalid_deployment_renders_nothing(folder: Path) -> None:
    file = folder / "deployment.yml"
    file.write_text(file.read_text().replace("America/La_Paz", "America/La_Pas"))
    _, errors = render("-C", folder, status=2)
    assert errors.startswith(f"{file}:4:")
    assert not (folder / ".sugar-deploy").exists()


def test_a_folder_of_the_deployers_own_is_left_alone(folder: Path) -> None:
    _, errors = render("-C", folder, "-o", folder, status=2)
    assert "is not a rendered project" in errors
    assert (folder / "deployment.yml").is_file()


def test_waits_for_nobody_who_uses_the_project(folder: Path) -> None:
    with deployment_lock(folder / ".sugar-deploy" / "lock", "apply all schools"):
        _, errors = render("-C", folder, status=1)
        assert "apply all schools" in errors
        render("-C", folder, "-o", folder.parent / "elsewhere")
