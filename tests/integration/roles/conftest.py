"""A school server and a laptop on its LAN, to which single roles are applied with Ansible."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.spec import UPLINK, MachineSpec, Nic
from tests.integration.roles.archive import Archive

ROOT = Path(__file__).parents[3]
ROLES = "repository,base,sshd,lan,firewall,time"
MACHINES = (
    MachineSpec("lima", "server", "lima", (Nic("eth0", UPLINK, "192.0.2.10/24"), Nic("eth1", "lan0"))),
    MachineSpec("lima-laptop", "client", "lima", (Nic("eth0", "lan0"),)),
)
VARIABLES: dict[str, Any] = {
    "repository__name": "lima",
    "repository__url": None,
    "base__fqdn": "lima.lan",
    "base__timezone": "America/Lima",
    "base__languages": ["es_PE", "qu_PE", "ca_ES@valencia"],
    "base__upgrades": {"enabled": True, "at": "03:30", "reboot": False},
    "lan__state": "present",
    "lan__fqdn": "lima.lan",
    "lan__domain": "lan",
    "lan__interface": "eth1",
    "lan__address": "172.18.96.1/19",
    "lan__range": {"first": "172.18.96.2", "last": "172.18.127.254"},
    "lan__uplink": "eth0",
    "lan__gateway": True,
    "lan__dns": {"enabled": True, "upstream": [], "names": {"printer": "172.18.96.9"}},
    "firewall__ssh_port": 22,
    "firewall__ssh_from_lan": False,
    "firewall__lan_interface": "eth1",
    "firewall__uplink_interface": "eth0",
    "firewall__lan_tcp": [53, 80, 5222, 5223, 8080],
    "firewall__lan_udp": [53, 67, 123],
    "firewall__uplink_tcp": [],
    "firewall__gateway": True,
    "firewall__guard_seconds": 70,
    "time__upstream": ["192.0.2.1"],
    "time__serve": "172.18.96.1/19",
    "time__local_clock": True,
}
WITHOUT_LAN: dict[str, Any] = {
    "lan__state": "absent",
    "lan__interface": None,
    "lan__address": None,
    "lan__range": None,
    "lan__gateway": False,
    "firewall__lan_interface": None,
    "firewall__lan_tcp": [],
    "firewall__lan_udp": [],
    "firewall__uplink_tcp": [80, 5222, 5223, 8080],
    "firewall__gateway": False,
    "time__serve": None,
    "time__local_clock": False,
}
PLAYBOOK = """\
- hosts: all
  become: true
  gather_facts: false
  tasks:
    - ansible.builtin.setup:
        gather_subset: ["!all", "!min", distribution, service_mgr, date_time, env, python, platform, user]
    - ansible.builtin.include_role:
        name: "{{ tested_role }}"
      loop: "{{ tested_roles.split(',') }}"
      loop_control:
        loop_var: tested_role
"""


@dataclass
class Run:
    """A run of ansible-playbook."""

    status: int
    output: str
    changed: int = field(init=False)

    def __post_init__(self) -> None:
        found = re.search(r"changed=(\d+)", self.output)
        self.changed = int(found[1]) if found else -1


class School:
    """The server as its deployer sees it."""

    def __init__(self, lab: Lab, project: Path, archive: Archive) -> None:
        self.lab = lab
        self.server = lab.machines["lima"]
        self.laptop = lab.machines["lima-laptop"]
        self.project = project
        self.archive = archive

    def apply(self, roles: str = ROLES, *options: str, **variables: Any) -> Run:
        """Apply the roles."""
        given = {**VARIABLES, **variables, "tested_roles": roles}
        argv = ["ansible-playbook", "site.yml", "--extra-vars", json.dumps(given), *options]
        done = subprocess.run(
            [str(Path(sys.executable).parent / argv[0]), *argv[1:]],
            cwd=self.project, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False,
            env={**os.environ, "ANSIBLE_CONFIG": str(self.project / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
        )  # fmt: skip
        return Run(done.returncode, done.stdout + done.stderr)

    def override(self, service: str, text: str | None) -> None:
        """Give the service a drop-in of the deployer's, or take it away."""
        path = self.project / "overrides" / service / "mine.conf"
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)

    def says(self, *argv: str) -> str:
        """What a program on the server prints, whatever its status."""
        return self.server.run(argv, check=False).stdout.strip()

    def on_laptop(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program on the laptop."""
        return self.laptop.run(argv, check=False)


def make_project(folder: Path, lab: Lab) -> Path:
    """A project with the roles, as `render` writes one, but with a playbook that applies single roles."""
    folder.mkdir()
    for name in ("roles", "collections"):
        (folder / name).symlink_to(ROOT / name)
    server = lab.machines["lima"]
    (folder / "inventory").write_text(
        f"lima ansible_host=127.0.0.1 ansible_port={server.port} ansible_user=root "
        f"ansible_ssh_private_key_file={server.key}\n"
    )
    (folder / "ansible.cfg").write_text(
        "[defaults]\ninventory=inventory\nroles_path=roles\ncollections_path=collections\n"
        "interpreter_python=auto_silent\ninternal_poll_interval=0.02\n"
        "[connection]\npipelining=True\n[ssh_connection]\n"
        f"ssh_args=-F none -o ControlMaster=auto -o ControlPersist=30s "
        f"-o UserKnownHostsFile={lab.place.known_hosts} -o IdentitiesOnly=yes\n"
    )
    (folder / "site.yml").write_text(PLAYBOOK)
    return folder


@pytest.fixture(scope="package", params=["bookworm", "trixie"])
def school(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """A server that has never been deployed; the tests of this package bring it up step by step."""
    work = tmp_path_factory.mktemp("roles")
    with Lab(MACHINES, suite=request.param) as lab:
        project = make_project(work / "project", lab)
        archive = Archive(work, project)
        try:
            archive.publish("1.0")
            yield School(lab, project, archive)
        finally:
            archive.close()
