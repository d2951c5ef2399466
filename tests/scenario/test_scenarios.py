"""Each scenario on real machines: described, applied, verified by a laptop, and unchanged by a second apply.

A peer that serves is a small machine: its test is test_small_machine.py.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from .trials import assert_whole


@pytest.mark.vm
@pytest.mark.parametrize(
    ("scenario", "suite"),
    [
        ("offline-server", "bookworm"),
        ("online-server", "trixie"),
        ("online-peers", "bookworm"),
    ],
)
def test_a_scenario_serves_its_laptops_and_stays_as_it_is(scenario: str, suite: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sugar_deploy", "lab", "test", "--scenario", scenario, "--suite", suite, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert_whole(scenario, report["steps"])
    assert done.returncode == 0
