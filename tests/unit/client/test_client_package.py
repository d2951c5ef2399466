"""The client's package holds what it promises."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from sugar_client import __version__
from sugar_client.cli import main

SOURCE = Path(__file__).resolve().parents[3] / "packages" / "sugar-client"


@pytest.mark.parametrize("path", sorted((SOURCE / "sugar_client").rglob("*.py")), ids=lambda path: path.name)
def test_the_client_imports_the_standard_library_only(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module)
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names | {"sugar_client"}


def test_one_version():
    assert (SOURCE / "debian" / "changelog").read_text().startswith(f"sugar-client ({__version__}) ")
    assert f"sugar-client {__version__}" in (SOURCE / "man" / "sugar-client.1").read_text()


def test_a_failure_is_told_with_its_remedy(capsys):
    assert main(["updates", "--url", "http://127.0.0.1:1/"]) == 1
    said = capsys.readouterr().err
    assert "does not answer" in said
    assert "school's network" in said


def test_the_daily_report_is_a_sound_user_timer(tmp_path):
    for kind in ("service", "timer"):
        text = (SOURCE / "debian" / f"sugar-client.sugar-client-statistics.user.{kind}").read_text()
        # The program is not installed here.
        (tmp_path / f"sugar-client-statistics.{kind}").write_text(text.replace("/usr/bin/sugar-client", "/bin/true"))
    timer = tmp_path / "sugar-client-statistics.timer"
    environment = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", timer], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
