"""The parts of Prosody's modules that are pure, in their own language: by busted, in the Lua that Prosody runs in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SPECS = sorted(path.name for path in Path(__file__).parent.glob("*_spec.lua"))


@pytest.mark.parametrize("spec", SPECS)
def test_spec(spec: str) -> None:
    """`busted` alone would take the system's default Lua, which may be another."""
    argv = ["lua5.4", "/usr/bin/busted", "--output=plainTerminal", f"tests/unit/presence/{spec}"]
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 successes" not in done.stdout
