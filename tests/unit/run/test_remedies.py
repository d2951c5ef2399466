"""Failures in the words of SSH, sudo and Ansible get a remedy."""

from __future__ import annotations

import pytest

from sugar_deploy.run.events import Event, HostResult, tally
from sugar_deploy.run.remedies import remedy


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Failed to connect to the host via ssh: No ED25519 host key is known for 192.0.2.1", "host add lima"),
        ("Failed to connect to the host via ssh: Host key verification failed.", "host add lima"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "another host key"),
        ("root@192.0.2.1: Permission denied (publickey).", "SSH key"),
        ("Missing sudo password", "sudo's password"),
        ("ssh: connect to host 192.0.2.1 port 22: Connection refused", "Is lima on"),
        ("Failed to connect: [Errno 32] Broken pipe", "host add lima"),
        ("ssh: Could not resolve hostname lima.example: Name or service not known", "server.address of lima"),
        ("/bin/sh: 1: /usr/bin/python3: not found", "apt-get install python3"),
        ("[Errno 28] No space left on device", "disk of lima is full"),
    ],
)
def test_a_known_failure_has_its_remedy(message: str, words: str) -> None:
    assert words in remedy(message, "lima")
    assert HostResult("lima", message=message).as_dict()["remedy"] == remedy(message, "lima")


def test_nothing_is_made_up() -> None:
    assert remedy("the answer is {42}", "lima") == ""


def test_what_a_role_has_mended_itself_is_a_warning_and_no_failure() -> None:
    failed: Event = {"event": "result", "host": "lima", "phase": "firewall", "task": "Load it", "action": "command"}
    events: list[Event] = [
        failed | {"status": "failed", "changed": False, "message": "no"},
        {"event": "stats", "hosts": {"lima": {"failures": 0, "unreachable": 0}}},
    ]
    host = tally(events)["lima"]
    assert (host.status, host.message, host.warnings) == ("ok", "", ["mended: Load it: no"])
