"""The lab's commands, on a lab that is up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sugar_deploy.lab.lab import Lab

pytestmark = pytest.mark.vm


def sugar_deploy(*words: str) -> str:
    argv = (sys.executable, "-m", "sugar_deploy", "lab", *words)
    done = subprocess.run(argv, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return done.stdout


def test_it_is_listed(lab: Lab) -> None:
    listed = {each["lab"]: each for each in json.loads(sugar_deploy("list", "--json"))}
    machines = listed[lab.place.identity]["machines"]
    assert {name: each["port"] for name, each in machines.items()} == {
        name: machine.port for name, machine in lab.machines.items()
    }


@pytest.mark.parametrize("separator", [(), ("--",)])
def test_a_command_runs_on_a_machine(lab: Lab, separator: tuple[str, ...]) -> None:
    words = ("printf", "%s.", "a b", "-v", "$HOME")
    assert sugar_deploy("shell", "--lab", lab.place.identity, "lima-laptop", *separator, *words) == "a b.-v.$HOME."


def test_plain_ssh_reaches_it_by_name(lab: Lab, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(sugar_deploy("ssh-config", "--lab", lab.place.identity))
    argv = ("ssh", "-F", str(config), "-o", "BatchMode=yes", "lima", "hostname")
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "lima\n"
