"""A real sshd on loopback, in a mount namespace of its own so that the machine's /run and /var/lib stay untouched."""

from __future__ import annotations

import getpass
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.folder import Folder
from sugar_deploy.resources import resource
from sugar_deploy.scenario.plan import Connection, Host, Plan
from sugar_deploy.scenario.variables import PHASES, RoleVariables
from tests import loopback
from tests.loopback import KEYS_ONLY, make_key

ISOLATED_SSHD = """
mount --make-rprivate / && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib/misc &&
mkdir -p /run/sshd /var/lib/sugar-deploy && mount -t tmpfs tmpfs /var/lib/sugar-deploy &&
exec /usr/sbin/sshd -D -e -f "$1/config"
"""


@dataclass
class Sshd:
    """A running server and the means to log in to it."""

    port: int
    key: Path
    host_key: Path
    process: subprocess.Popen[bytes]

    def ssh(self, command: str) -> str:
        """Run a command through it."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        argv = ["ssh", "-n", "-i", str(self.key), "-p", str(self.port), *options, f"{getpass.getuser()}@127.0.0.1"]
        return subprocess.run([*argv, command], check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    make_key(folder / "client")
    settings = (f"AuthorizedKeysFile {folder / 'client.pub'}", "StrictModes no", *KEYS_ONLY)
    with loopback.sshd(folder, ISOLATED_SSHD, *settings) as (port, process):
        yield Sshd(port, folder / "client", folder / "host", process)


@dataclass
class Project:
    """A deployment whose rendered project has small roles of the test's own."""

    folder: Folder
    plan: Plan

    def role(self, name: str, tasks: str) -> None:
        """Give a phase its tasks."""
        path = self.folder.rendered / "roles" / name / "tasks" / "main.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tasks)


def bare_variables(phase: type[RoleVariables]) -> RoleVariables:
    return phase.model_construct()


def make_project(tmp_path: Path, sshd: Sshd, schools: tuple[str, ...]) -> Project:
    folder = Folder(tmp_path / "lima")
    project = folder.rendered
    (project / "inventory").mkdir(parents=True)
    subprocess.run(["cp", "-r", f"{resource('playbooks')}/.", str(project)], check=True)
    # The machine that runs the tests need not have been booted by systemd; nothing here depends on that.
    site = project / "site.yml"
    site.write_text(site.read_text().replace("          - ansible_facts['service_mgr'] == 'systemd'\n", ""))
    subprocess.run(["cp", "-r", str(resource("collections")), str(project / "collections")], check=True)
    (project / "ansible.cfg").write_text(
        "[defaults]\nroles_path = roles\ncollections_path = collections\nhost_key_checking = True\n"
        "internal_poll_interval = 0.02\n"
        "[ssh_connection]\npipelining = True\n"
        f"ssh_args = -o ControlMaster=auto -o ControlPersist=5s -o ControlPath={tmp_path}/%%C\n"
    )
    public = sshd.host_key.with_name("host.pub").read_text()
    folder.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {public}")
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": sshd.port,
        "ansible_user": getpass.getuser(),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={folder.known_hosts}",
        "ansible_python_interpreter": "/usr/bin/python3",
        "repository__name": "lima",
        "repository__url": None,
    }
    hosts = dict.fromkeys(schools, variables)
    (project / "inventory" / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    deployment = Deployment.model_validate(
        {
            "version": 1,
            "name": "lima",
            "title": "Lima",
            "schools": {
                name: {"scenario": "online-peers", "role": "master", "server": {"address": "127.0.0.1"}}
                for name in schools
            },
        }
    )
    own = tuple(bare_variables(phase) for phase in PHASES)
    plan = Plan(
        deployment,
        tuple(
            Host(
                name=name,
                title=name,
                school=deployment.schools[name],
                fqdn=f"{name}.lan",
                connection=Connection("127.0.0.1", sshd.port, getpass.getuser()),
                services=frozenset(),
                packages=(),
                groups=(),
                variables=own,
                master=None,
            )
            for name in schools
        ),
    )
    made = Project(folder, plan)
    for phase in PHASES:
        made.role(phase.role, "---\n[]\n")
    return made


@pytest.fixture
def project(tmp_path: Path, sshd: Sshd) -> Project:
    return make_project(tmp_path, sshd, ("san-martin",))
