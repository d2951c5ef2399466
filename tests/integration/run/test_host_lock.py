"""The host's lock where the host's clock is wrong, and where a run meets an unknown server."""

from __future__ import annotations

import json
import time

from tests.integration.run.conftest import Project, Sshd
from tests.integration.run.test_apply import LOCK, run


def held_since(*, clock: float, uptime: float) -> str:
    return json.dumps({"owner": "cusco on desk", "reason": "apply", "time": clock, "uptime": uptime})


def test_a_clock_that_was_set_meanwhile_makes_no_lock_stale(project: Project, sshd: Sshd) -> None:
    booted = time.clock_gettime(time.CLOCK_BOOTTIME)
    for clock in (0.0, time.time() + 1e9):
        sshd.ssh(f"cat > {LOCK} <<'E'\n{held_since(clock=clock, uptime=booted - 60)}\nE")
        outcome = run(project, sshd)
        assert "locked by cusco on desk" in outcome.hosts["san-martin"].message
    sshd.ssh(f"cat > {LOCK} <<'E'\n{held_since(clock=time.time(), uptime=booted - 50_000)}\nE")
    assert run(project, sshd).status == "done"


def test_a_server_whose_key_is_not_pinned_has_a_remedy(project: Project, sshd: Sshd) -> None:
    project.folder.known_hosts.write_text("")
    host = run(project, sshd).hosts["san-martin"]
    assert host.status == "unreachable"
    assert "sugar-deploy host add san-martin" in host.remedy


def test_bytes_that_are_no_text_do_no_harm(project: Project, sshd: Sshd) -> None:
    project.role("base", "---\n- name: Fail\n  ansible.builtin.shell: printf 'a\\377b' >&2; exit 3\n")
    outcome = run(project, sshd)
    host = outcome.hosts["san-martin"]
    assert (outcome.status, host.task) == ("failed", "base : Fail")
    # Whatever Ansible makes of them, a terminal and a file take the message.
    assert host.message.encode("utf-8")
    assert outcome.run.result()["hosts"]["san-martin"]["message"] == host.message
