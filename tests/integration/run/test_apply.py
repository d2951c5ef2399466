"""Runs against a real sshd: what is recorded, what is resumed, what a cut leaves behind."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.run.apply import Outcome, Request, environment, run_playbook
from sugar_deploy.scenario.variables import PHASES
from tests.integration.run.conftest import Project, Sshd, make_project

JOURNAL = "/var/lib/sugar-deploy/journal.json"
LOCK = "/run/sugar-deploy.lock"


def note(phase: str, then: str = "") -> str:
    """Tasks that leave a line in /run/notes each time they are really run."""
    return (
        "---\n- name: Leave a note\n  ansible.builtin.shell: echo "
        f"{phase} >> /run/notes\n  changed_when: true\n{then}"
    )


def fail_unless(path: str) -> str:
    return f"- name: Need a cable\n  ansible.builtin.command: test -e {path}\n  changed_when: false\n"


def run(project: Project, sshd: Sshd, **options: Any) -> Outcome:
    request = Request(project.folder, private_key=sshd.key, **options)
    return run_playbook(request, project.plan, lambda _event, _tally: None, environment=environment())


def notes(sshd: Sshd) -> list[str]:
    return sshd.ssh("cat /run/notes 2>/dev/null || true").split()


def test_every_phase_is_applied_in_order_and_recorded_on_the_host(project: Project, sshd: Sshd) -> None:
    for phase in PHASES:
        project.role(phase.role, note(phase.role))
    outcome = run(project, sshd)
    assert outcome.status == "done", outcome.hosts["san-martin"].message
    assert notes(sshd) == [phase.role for phase in PHASES]
    journal = json.loads(sshd.ssh(f"cat {JOURNAL}"))
    assert journal["machine_id"] == Path("/etc/machine-id").read_text().strip()
    assert {entry["run"] for entry in journal["phases"].values()} == {outcome.run.id}
    assert set(journal["phases"]) == {phase.role for phase in PHASES}
    assert outcome.hosts["san-martin"].changed == len(PHASES)
    assert sshd.ssh(f"test ! -e {LOCK} && echo released").strip() == "released"


def test_a_run_that_changes_nothing_reports_no_change(project: Project, sshd: Sshd) -> None:
    for _ in range(2):
        outcome = run(project, sshd)
        assert (outcome.status, outcome.hosts["san-martin"].changed) == ("done", 0)


def test_resume_leaves_out_what_the_interrupted_run_completed(project: Project, sshd: Sshd) -> None:
    project.role("repository", note("repository"))
    project.role("base", note("base"))
    project.role("sshd", note("sshd", fail_unless("/run/cable")))
    failed = run(project, sshd)
    assert (failed.status, failed.exit_code) == ("failed", 1)
    assert failed.hosts["san-martin"].task == "sshd : Need a cable"
    assert notes(sshd) == ["repository", "base", "sshd"]

    sshd.ssh("touch /run/cable")
    # What has changed since is applied again, recorded or not.
    project.role("base", note("base-changed"))
    resumed = run(project, sshd, resume=True)
    assert resumed.status == "done"
    assert resumed.resumed == (failed.run.id,)
    assert notes(sshd)[3:] == ["base-changed", "sshd"]

    # The chain ended well, so a later --resume has nothing to trust and applies everything.
    again = run(project, sshd, resume=True)
    assert again.resumed == ()
    assert notes(sshd)[5:] == ["repository", "base-changed", "sshd"]


def test_resume_trusts_only_the_hosts_own_record(project: Project, sshd: Sshd) -> None:
    project.role("repository", note("repository"))
    project.role("base", note("base", fail_unless("/run/cable")))
    run(project, sshd)
    # As after a restore from an older image: the record is gone, or is another machine's.
    sshd.ssh(f"""sed -i 's/"machine_id": ".*"/"machine_id": "another"/' {JOURNAL}; touch /run/cable""")
    assert run(project, sshd, resume=True).status == "done"
    assert notes(sshd) == ["repository", "base", "repository", "base"]


def test_a_phase_that_was_cut_off_is_not_recorded_even_if_it_once_was(project: Project, sshd: Sshd) -> None:
    assert run(project, sshd).status == "done"
    project.role("base", note("base", fail_unless("/run/cable")))
    run(project, sshd)
    assert "base" not in json.loads(sshd.ssh(f"cat {JOURNAL}"))["phases"]


def test_plan_changes_nothing_on_the_host(project: Project, sshd: Sshd) -> None:
    project.role(
        "base",
        "---\n- name: Name the host\n  ansible.builtin.copy:\n"
        "    {content: \"san-martin\\n\", dest: /run/name, mode: '0644'}\n",
    )
    outcome = run(project, sshd, verb="plan")
    host = outcome.hosts["san-martin"]
    assert (outcome.status, host.changed) == ("done", 1)
    assert "+san-martin" in host.changes[0]["diff"]
    assert sshd.ssh(f"ls /run/name {JOURNAL} {LOCK} 2>/dev/null || true") == ""


def test_another_runs_lock_on_the_host_holds_and_is_named(project: Project, sshd: Sshd) -> None:
    project.role("base", note("base"))
    sshd.ssh(f"""echo '{{"owner": "cusco on desk", "reason": "apply", "time": {time.time()}}}' > {LOCK}""")
    outcome = run(project, sshd)
    assert outcome.status == "failed"
    assert "locked by cusco on desk" in outcome.hosts["san-martin"].message
    assert notes(sshd) == []
    assert sshd.ssh(f"cat {LOCK}").startswith('{"owner": "cusco on desk"')
    # One that is hours old belongs to nobody.
    sshd.ssh(f"""echo '{{"owner": "cusco on desk", "reason": "apply", "time": {time.time() - 90000}}}' > {LOCK}""")
    assert run(project, sshd).status == "done"


def test_a_host_that_fails_does_not_stop_the_others(tmp_path: Path, sshd: Sshd) -> None:
    project = make_project(tmp_path, sshd, ("one", "two"))
    project.role("base", "---\n- name: Fail on one\n  ansible.builtin.assert: {that: inventory_hostname == 'two'}\n")
    # Both are this one machine, so each needs a lock and a journal of its own.
    site = project.folder.rendered / "site.yml"
    site.write_text(
        site.read_text().replace(
            "        state: taken\n", "        state: taken\n        path: /run/{{ inventory_hostname }}\n"
        )
    )
    outcome = run(project, sshd)
    assert {name: host.status for name, host in outcome.hosts.items()} == {"one": "failed", "two": "ok"}


def test_a_cut_connection_is_told_and_the_next_run_carries_on(project: Project, sshd: Sshd) -> None:
    project.role("repository", note("repository"))
    # The session's own sshd process dies, as by a pulled cable or a rebooting host.
    cut = """
- name: Cut the line
  ansible.builtin.shell: |
    test ! -e /run/cut || exit 0
    touch /run/cut
    p=$$
    while [ "$(cat /proc/$p/comm)" != sshd ]; do p=$(awk '/^PPid/ {print $2}' /proc/$p/status); done
    kill -9 $p
  changed_when: false
"""
    project.role("base", note("base", cut))
    outcome = run(project, sshd)
    assert outcome.status == "failed"
    assert outcome.hosts["san-martin"].status in {"unreachable", "failed"}
    resumed = run(project, sshd, resume=True)
    assert resumed.status == "done", resumed.hosts["san-martin"].message
    assert notes(sshd) == ["repository", "base", "base"]


RUN = """
import pickle, sys
from sugar_deploy.errors import UsageError
from sugar_deploy.run.apply import environment, locked, run_playbook
request, plan = pickle.load(open(sys.argv[1], "rb"))
with locked(request):
    outcome = run_playbook(request, plan, lambda event, tally: None, environment=environment())
sys.exit(outcome.exit_code)
"""


def start(project: Project, sshd: Sshd, tmp_path: Path) -> subprocess.Popen[bytes]:
    (tmp_path / "request").write_bytes(pickle.dumps((Request(project.folder, private_key=sshd.key), project.plan)))
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path / "request")], start_new_session=True)
    deadline = time.monotonic() + 60
    while "base" not in notes(sshd):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return process


def processes_of(path: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if "ansible-playbook" in line and str(path) in line:
            found.append(line)
    return found


def test_interrupt_releases_the_locks_and_the_next_run_carries_on(
    project: Project, sshd: Sshd, tmp_path: Path
) -> None:
    wait = "- name: Wait\n  ansible.builtin.shell: test -e /run/go || sleep 60\n  changed_when: false\n"
    project.role("repository", note("repository"))
    project.role("base", note("base", wait))
    process = start(project, sshd, tmp_path)
    assert project.folder.lock.exists()
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 130
    assert processes_of(project.folder.rendered) == []
    assert not project.folder.lock.exists()
    newest = max(project.folder.runs.iterdir())
    assert json.loads((newest / "result.json").read_text())["status"] == "interrupted"
    sshd.ssh("touch /run/go")
    assert run(project, sshd, resume=True).status == "done"
    assert notes(sshd) == ["repository", "base", "base"]


def test_a_killed_run_takes_ansible_with_it_and_the_next_run_carries_on(
    project: Project, sshd: Sshd, tmp_path: Path
) -> None:
    wait = "- name: Wait\n  ansible.builtin.shell: test -e /run/go || sleep 60\n  changed_when: false\n"
    project.role("repository", note("repository"))
    project.role("base", note("base", wait))
    process = start(project, sshd, tmp_path)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while processes_of(project.folder.rendered):
        assert time.monotonic() < deadline, "ansible outlived the killed run"
        time.sleep(0.2)
    sshd.ssh("touch /run/go")
    assert run(project, sshd, resume=True).status == "done"
    assert notes(sshd) == ["repository", "base", "base"]


def test_no_secret_is_written_anywhere_nor_readable_in_a_command_line(
    project: Project, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = 'correct"horse/battery-staple'
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project.folder.root / "config"))
    Secrets(project.folder, "lima").set_become_password("san-martin", secret)
    subprocess.run(["cp", "-r", str(project.folder.secrets), str(project.folder.rendered / "secrets")], check=True)
    project.role(
        "base",
        "---\n- name: Say the password\n  ansible.builtin.command: echo '{{ ansible_become_password }}'\n"
        "- name: Fail with it\n  ansible.builtin.fail: {msg: 'not {{ ansible_become_password }}'}\n",
    )
    outcome = run(project, sshd, verbosity=3)
    assert outcome.hosts["san-martin"].message == "not ********"
    words = ("horse", "battery-staple")
    for path in project.folder.root.rglob("*"):
        if path.is_file() and "config" not in path.relative_to(project.folder.root).parts:
            content = path.read_bytes()
            assert not any(word.encode() in content for word in words), path
    assert not any(word in outcome.command for word in words)


LOCALLY = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /var/lib/sugar-deploy &&
mount -t tmpfs tmpfs /var/lib/sugar-deploy && "$@" && cat /run/notes
"""


def test_a_machine_applies_itself_without_ssh(project: Project, sshd: Sshd, tmp_path: Path) -> None:
    project.role("base", note("base"))
    sshd.process.kill()
    request = Request(project.folder, local=True)
    (tmp_path / "request").write_bytes(pickle.dumps((request, project.plan)))
    command = [sys.executable, "-c", RUN, str(tmp_path / "request")]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", LOCALLY, "sh", *command], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "base\n"


def test_a_machine_is_one_school(tmp_path: Path, sshd: Sshd) -> None:
    project = make_project(tmp_path, sshd, ("one", "two"))
    with pytest.raises(UsageError, match=r"2 are selected.*--limit"):
        run(project, sshd, local=True)
