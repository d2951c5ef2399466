"""Each scenario on real machines: described, applied, verified by a laptop, and unchanged by a second apply.

A peer that serves is a small machine: its test is test_small_machine.py.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sugar_deploy.folder import Folder

from .trials import assert_whole


@pytest.mark.vm
@pytest.mark.parametrize(
    ("scenario", "suite"),
    [
        ("offline-server", "bookworm"),
        ("online-peers", "bookworm"),
    ],
)
def test_a_scenario_serves_its_laptops_and_stays_as_it_is(scenario: str, suite: str) -> None:
    report = trial("--scenario", scenario, "--suite", suite)
    assert_whole(scenario, report["steps"])
    assert report["exit"] == 0


@pytest.mark.vm
def test_two_online_schools_of_a_federation_serve_their_laptops_and_reach_each_other(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "andes")
    sugar_deploy("init", str(folder.root), "--scenario", "online-server")
    document = yaml.safe_load(folder.file.read_text())
    (first,) = document["schools"].values()
    first["services"] = {"presence": {"federation": "valle"}}
    second = copy.deepcopy(first)
    second["server"]["address"], second["lan"]["address"] = "192.0.2.11", "172.19.96.1/19"
    document["schools"]["santa-rosa"] = second
    folder.file.write_text(json.dumps(document))
    sugar_deploy("keys", "authority", "-C", str(folder.root))

    report = trial("-C", str(folder.root), "--suite", "trixie")
    assert_whole("online-server", report["steps"])
    assert report["exit"] == 0
    (verified,) = (step["details"] for step in report["steps"] if step["step"] == "verify from the laptops")
    reached = [line for line in verified if "is reached" in line]
    proved = [line for line in verified if "the server proves who it is" in line]
    assert len(reached) == len(proved) == 2
    assert all(": ok: presence: " in line for line in reached + proved)


def trial(*words: str) -> dict[str, Any]:
    """What `lab test` reports."""
    done = sugar_deploy("lab", "test", *words, "--json", check=False)
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report | {"exit": done.returncode}


def sugar_deploy(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "sugar_deploy", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert not (check and done.returncode), done.stderr
    return done
