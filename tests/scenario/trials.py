"""What the trial of a scenario must have seen, whatever machines it ran on."""

from __future__ import annotations

import json
from typing import Any

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


def assert_whole(scenario: str, steps: list[dict[str, Any]]) -> None:
    """Every step came and was good, nothing was left for a second apply, and each service was tried."""
    failed = [step for step in steps if not step["ok"]]
    assert not failed, json.dumps(failed, indent=1)
    assert [step["step"] for step in steps] == STEPS
    seen = {step["step"]: step for step in steps}
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
