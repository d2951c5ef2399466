"""The benchmark still runs, on few schools; how fast is for its readers to judge."""

from __future__ import annotations

import subprocess
import sys


def test_prints_a_line_for_each_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.render", "--schools", "20", "--runs", "1"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line[:34].strip() for line in lines] == ["", "check", "render", "ansible-inventory --host"]
    assert all(" s " in line and " MiB" in line for line in lines[1:])
