"""The timer that backs the Journal up."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

DEBIAN = Path(__file__).resolve().parents[3] / "packages" / "sugar-client" / "debian"
UNITS = ["sugar-client-backup.service", "sugar-client-backup.timer"]


def _text(unit: str) -> str:
    stem, _, kind = unit.rpartition(".")
    return (DEBIAN / f"sugar-client.{stem}.user.{kind}").read_text()


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_understands_every_line(unit: str, tmp_path: Path):
    for name in UNITS:
        program = shutil.which("true")
        (tmp_path / name).write_text(_text(name).replace("/usr/bin/sugar-client", program))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) not in done.stderr


def test_laptops_do_not_come_at_once():
    timer = _text("sugar-client-backup.timer")
    assert re.search(r"^RandomizedDelaySec=15min$", timer, re.MULTILINE)
    assert re.search(r"^Persistent=yes$", timer, re.MULTILINE)
    when = re.search(r"^OnCalendar=(.*)$", timer, re.MULTILINE).group(1)
    shown = subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=5", "--base-time=2027-01-15 08:01", when],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    times = sorted(set(re.findall(r"2027-01-15 (\d\d:\d\d):00 ", shown)))
    assert times == ["08:15", "08:30", "08:45", "09:00", "09:15"]
