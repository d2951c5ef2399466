"""A school without a network, from sticks alone: installed, upgraded, brought back from a broken upgrade."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

STEPS = [
    "check",
    "repo publish",
    "write stick 1",
    "a bare server",
    "no network",
    "stick 1 is lost",
    "install stick 1",
    "laptops join",
    "verify",
    "children register",
    "write stick 2",
    "upgrade from stick 2",
    "verify the upgrade",
    "stick 1 again",
    "write a foreign stick",
    "foreign stick",
    "write stick 3, broken",
    "broken upgrade",
    "verify what came back",
    "write stick 4",
    "stick 4 mends it",
    "verify at the end",
    "still no network",
]


@pytest.mark.vm
def test_a_school_without_a_network_lives_from_sticks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sugar_deploy", "lab", "test", "--scenario", "offline-server", "--offline", "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    failed = [step for step in report["steps"] if not step["ok"]]
    assert not failed, json.dumps(failed, indent=1)
    assert [step["step"] for step in report["steps"]] == STEPS
    seen = {step["step"]: step for step in report["steps"]}
    for step in ("verify", "verify the upgrade", "verify what came back", "verify at the end"):
        checked = " ".join(seen[step]["details"])
        for service in ("registration", "presence", "http", "dhcp", "dns", "ntp"):
            assert f": ok: {service}: " in checked, f"{step}: {service} was not tried"
    assert seen["write stick 1"]["seen"].startswith("complete, number 1, ")
    assert seen["write stick 2"]["seen"].startswith("incremental, number 2, ")
    assert "cannot be read" in seen["stick 1 is lost"]["seen"]
    assert "older (number 1)" in seen["stick 1 again"]["seen"]
    assert "another-country" in seen["foreign stick"]["seen"]
    assert "rolled back" in seen["broken upgrade"]["seen"]
    assert done.returncode == 0
