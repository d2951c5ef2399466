"""A new password for the teacher, made by the real daemon's command behind a real sshd and sudo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.integration.remote.conftest import SchoolMachine
from tests.integration.remote.test_host import add, sugar_deploy

SERVER = Path(__file__).parents[3] / "packages" / "sugar-server"
HOLDS = f"""
import sys
sys.path.insert(0, {str(SERVER)!r})
from pathlib import Path
from sugar_server.pages import password
print(password.matches(sys.stdin.readline().strip(), password.kept(Path(sys.argv[1]))))
"""


def install(school: SchoolMachine) -> Path:
    """Put the daemon's command on the machine, with a state folder of its own; returns that."""
    state = school.folder / "state"
    state.mkdir()
    (state / "registrations.db").touch()
    command = school.folder / "home" / "sugar-server"
    command.write_text(
        f'#!/bin/sh\n[ "$(id -u)" = 0 ] || {{ echo "not root" >&2; exit 1; }}\n'
        f'PYTHONPATH={SERVER} exec /usr/bin/python3 -B -m sugar_server "$@" --state {state}\n'
    )
    command.chmod(0o755)
    sudoers = 'Defaults !requiretty\nDefaults secure_path="/home:/usr/bin:/bin"\nteresa ALL=(ALL) ALL\n'
    into = ["nsenter", "-t", str(_machine(school)), "-m", "--", "tee", "/etc/sudoers"]
    subprocess.run(into, input=sudoers, text=True, check=True, stdout=subprocess.DEVNULL)
    return state


def _machine(school: SchoolMachine) -> int:
    """The process that holds the machine's mount namespace."""
    children = Path(f"/proc/{school.process.pid}/task/{school.process.pid}/children").read_text().split()
    return int(children[0])


def with_pages(school: SchoolMachine) -> None:
    file = school.deployment / "deployment.yml"
    text = file.read_text().replace("online-peers", "offline-server")
    file.write_text(text + "    lan: {interface: eth1, address: 172.18.96.1/19}\n    uplink: {interface: eth0}\n")


def holds(state: Path, password: str) -> bool:
    """Whether that is the password of which the daemon keeps the hash."""
    argv = [sys.executable, "-c", HOLDS, str(state)]
    done = subprocess.run(argv, input=password + "\n", capture_output=True, text=True, check=True)
    return done.stdout == "True\n"


def test_it_is_made_on_the_server_and_shown_once(school: SchoolMachine) -> None:
    with_pages(school)
    state = install(school)
    add(school, "--fingerprint", school.fingerprint)
    done = sugar_deploy(school, "password", "san-martin")
    assert done.returncode == 0, done.stderr
    (password,) = done.stdout.split()
    assert holds(state, password)
    assert password not in done.stderr
    kept = [
        path for path in school.deployment.rglob("*") if path.is_file() and password.encode() in path.read_bytes()
    ]
    assert kept == [], "neither in a log nor in a file of the deployer's"
    assert password not in (school.folder / "log").read_text()

    second = sugar_deploy(school, "password", "san-martin", "--json")
    made = json.loads(second.stdout)
    assert made["school"] == "san-martin"
    assert made["password"] != password
    assert holds(state, made["password"])
    assert not holds(state, password)


def test_where_it_cannot_be_made_the_reason_is_told(school: SchoolMachine) -> None:
    add(school, "--fingerprint", school.fingerprint)
    done = sugar_deploy(school, "password", "san-martin")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no teacher's pages" in done.stderr, "as on the Internet"
    with_pages(school)
    done = sugar_deploy(school, "password", "san-martin")
    assert (done.returncode, done.stdout) == (1, "")
    assert "made no password: sudo: sugar-server: command not found" in done.stderr
    assert sugar_deploy(school, "password", "san-marcos").returncode == 2
