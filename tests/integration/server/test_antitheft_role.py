"""The role's tasks that bring leases, run by Ansible beside a daemon of source: once they change, then no more."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from olpc_security.keys import PublicKey

from .deployment import LAPTOP, OTHER, Deployment

ROLES = Path(__file__).resolve().parents[3] / "roles"
PLAY = """
- hosts: lima
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: sugar_server
        tasks_from: antitheft.yml
"""


@pytest.fixture
def project(debian_server, tmp_path):
    """A rendered project's files, and a daemon that is delegated to."""
    deployment = Deployment(debian_server)
    debian_server.start()
    key = PublicKey(debian_server.command_bytes("lease-key"))
    files = tmp_path / "files" / "antitheft"
    (files / "lima").mkdir(parents=True)
    (files / "lima" / "d-lease.sig").write_bytes(deployment.delegations(key, LAPTOP, OTHER).read_bytes())
    (files / "stolen.list").write_text(f"{OTHER.serial}\n")
    (tmp_path / "play.yml").write_text(PLAY)
    program = tmp_path / "bin" / "sugar-server"
    program.parent.mkdir()
    argv = shlex.join(debian_server.argv("x")).replace(" x ", ' "$@" ', 1)
    paths = f"PYTHONPATH={debian_server.environment()['PYTHONPATH']} PYTHONDONTWRITEBYTECODE=1"
    program.write_text(f"#!/bin/sh\n{paths} exec {argv}\n")
    program.chmod(0o755)
    return tmp_path


def apply(project, *words, rescued=0):
    """How many changes Ansible tells; nothing may fail."""
    program = Path(sys.executable).parent / "ansible-playbook"
    more = f"sugar_server__imports={project}/imports ansible_python_interpreter=/usr/bin/python3"
    done = subprocess.run(
        [program, "-i", "lima,", "-c", "local", "-e", more, *words, project / "play.yml"],
        env={
            **{"PATH": f"{project}/bin:{os.environ['PATH']}", "HOME": str(project), "LC_ALL": "C.UTF-8"},
            "ANSIBLE_ROLES_PATH": str(ROLES),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert LAPTOP.uuid not in done.stdout
    assert f"rescued={rescued}" in done.stdout
    assert ("may be to another key" in done.stdout) is bool(rescued)
    return int(re.search(r"changed=(\d+)", done.stdout).group(1))


def test_it_is_brought_once(project, debian_server):
    assert apply(project, "--check") > 0
    assert LAPTOP.serial not in debian_server.command("leases").stdout
    assert apply(project) > 0
    listed = debian_server.command("leases").stdout
    assert re.search(rf"^{LAPTOP.serial} +- +20..-..-..$", listed, re.MULTILINE)
    assert re.search(rf"^{OTHER.serial} .*stolen$", listed, re.MULTILINE)
    assert apply(project) == 0
    assert apply(project, "--check") == 0
    for path in (project / "imports").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0
    (project / "files" / "antitheft" / "stolen.list").write_text("")
    assert apply(project) > 0
    assert "stolen" not in debian_server.command("leases").stdout


def test_new_hardware_is_told_of_delegations_to_another_key_and_goes_on(project, debian_server):
    """Its backup, which brings the key, can be restored only behind an apply that was completed."""
    debian_server.stop()
    for path in debian_server.state.glob("antitheft*"):
        path.unlink()
    debian_server.start()
    assert apply(project, rescued=1) > 0
    assert apply(project, rescued=1) == 0
    assert debian_server.command("leases").stdout.split() == [OTHER.serial, "-", "-", "stolen"]
