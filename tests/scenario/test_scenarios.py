"""Each scenario on real machines: described, applied, verified by a laptop, and unchanged by a second apply."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

STEPS = [
    "check",
    "render",
    "repo publish",
    "apply",
    "laptops join",
    "verify from the laptops",
    "look from the uplink",
    "apply again",
]


@pytest.mark.vm
@pytest.mark.parametrize(
    ("scenario", "suite"),
    [
        ("offline-server", "bookworm"),
        ("online-server", "trixie"),
        ("peer-server", "trixie"),
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
    failed = [step for step in report["steps"] if not step["ok"]]
    assert not failed, json.dumps(failed, indent=1)
    assert [step["step"] for step in report["steps"]] == STEPS
    seen = {step["step"]: step for step in report["steps"]}
    assert not seen["apply"]["seen"].endswith("changed=0"), "the first apply had nothing to do"
    assert seen["apply again"]["seen"] == "done, changed=0"
    checked = " ".join(seen["verify from the laptops"]["details"])
    wanted = {"registration", "presence", "http", "updates", "statistics"}
    if scenario != "online-peers":
        wanted |= {"backup", "pages", "dhcp", "dns", "ntp"}
    for service in wanted:
        assert f": ok: {service}: " in checked, f"{service} was not tried"
    assert ("backup: an XO's Journal is brought" in checked) == (scenario != "online-peers")
    # On the Internet nothing of the school is shown.
    assert ("pages: /laptops is not shown" in checked) == (scenario == "online-peers")
    assert done.returncode == 0
