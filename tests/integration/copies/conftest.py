"""Two machines of one school, the old server and new hardware: each a real sshd with /var, /etc and /run of its own.

They have no services: what is not known to systemd is neither stopped nor started. The programs are this machine's
own rsync, sudo, tar and dpkg.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.resources import resource
from tests.loopback import KEYS_ONLY, make_key, sshd

MACHINE = r"""
set -eu
mount --make-rprivate /
mkdir -p "$1/disk"
if [ -e "$1/size" ]; then mount -t tmpfs -o "size=$(cat "$1/size")" tmpfs "$1/disk"
else mount -t tmpfs tmpfs "$1/disk"; fi
mkdir -p "$1/disk/etc" "$1/disk/work" "$1/disk/lib"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/disk/etc,workdir=$1/disk/work" /etc
cp -a /var/lib/dpkg "$1/disk/lib/dpkg"
mount --bind "$1/disk/lib" /var/lib
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/sudo /var/lib/sugar-deploy
. "$1/setup"
exec /usr/sbin/sshd -D -e -f "$1/config"
"""
SETUP = r"""
# What bash would read at the login of this machine's own root is no server's.
sed -i '/^root:/s#:[^:]*$#:/bin/sh#' /etc/passwd
groupadd --system --gid "$gid" sugar-server
useradd --system --no-create-home --uid "$uid" --gid sugar-server sugar-backup
useradd --system --no-create-home --uid "$((uid + 1))" --gid sugar-server sugar-server
useradd --create-home --home-dir /run/teresa --shell /bin/sh teresa
echo 'teresa:kon-tiki {{ 1947 }}' | chpasswd
cp "$1/client.pub" /run/authorized_keys
rm -rf /etc/sudoers.d/*
printf '%s\n' 'Defaults !requiretty' 'root ALL=(ALL) ALL' 'teresa ALL=(ALL) ALL' > /etc/sudoers
mkdir -p /var/lib/sugar-backup /var/lib/sugar-library/activities /var/lib/sugar-server /etc/sugar-server /etc/prosody
chown -R sugar-backup:sugar-server /var/lib/sugar-backup
chown -R sugar-server:sugar-server /var/lib/sugar-library /var/lib/sugar-server
chmod 0750 /var/lib/sugar-backup /var/lib/sugar-server
echo '{"phases": {"sugar_server": {}}}' > /var/lib/sugar-deploy/journal.json
"""
PASSWORD = "kon-tiki {{ 1947 }}"
KEEPS = {
    "units": ["sugar-no-such-unit.service"],
    "paths": ["/etc/sugar-server", "/var/lib/sugar-server", "/var/lib/misc/dnsmasq.leases"],
    "bulk": ["/var/lib/sugar-backup", "/var/lib/sugar-library"],
    "signs": {
        "files": ["/var/lib/sugar-backup/homes/*"],
        "tables": {"/var/lib/sugar-server/registrations.db": "registrations"},
    },
}
PLAYBOOK = """\
- hosts: all
  become: true
  gather_facts: false
  tasks:
    - name: Copy the school
      sugar.deploy.school_copy:
        state: "{{ state }}"
        school: san-martin
        folder: "{{ folder }}"
        keeps: "{{ [keeps] }}"
        packages: "{{ writers }}"
        check: "{{ check }}"
        replace: "{{ replace }}"
        date: "{{ date }}"
        damaged_too: "{{ damaged_too }}"
"""


@dataclass
class Machine:
    """A server that answers on loopback."""

    folder: Path
    port: int
    user: str = field(default_factory=getpass.getuser)

    def ssh(self, script: str) -> str:
        """What a shell on it prints, run as root."""
        known = f"UserKnownHostsFile={self.folder / 'known_hosts'}"
        argv = ["ssh", "-n", "-i", str(self.folder / "client"), "-p", str(self.port), "-o", "LogLevel=ERROR",
                "-o", known, f"{getpass.getuser()}@127.0.0.1"]  # fmt: skip
        done = subprocess.run([*argv, script], capture_output=True, text=True, errors="backslashreplace", timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, script: str) -> str:
        """What a Python program on it prints."""
        return self.ssh(f"python3 -c {shlex.quote(script)}")


@dataclass
class Run:
    """What Ansible's run of the action came to."""

    status: int
    output: str
    events: list[dict[str, Any]]

    @property
    def result(self) -> dict[str, Any]:
        """The event of the task's result."""
        return next(event for event in reversed(self.events) if event["event"] == "result")

    @property
    def message(self) -> str:
        return str(self.result.get("message", ""))

    @property
    def warnings(self) -> str:
        return " ".join(self.result.get("warnings", ()))


@contextlib.contextmanager
def machine(folder: Path, uid: int, size: str = "") -> Iterator[Machine]:
    folder.mkdir(mode=0o755)
    make_key(folder / "client")
    (folder / "setup").write_text(f"uid={uid} gid={uid}\n{SETUP}")
    if size:
        (folder / "size").write_text(size)
    settings = ("AuthorizedKeysFile /run/authorized_keys", "StrictModes no", *KEYS_ONLY)
    with sshd(folder, MACHINE, *settings) as (port, _process):
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        yield Machine(folder, port)


class Deployer:
    """Who saves and restores."""

    def __init__(self, work: Path) -> None:
        work.mkdir(exist_ok=True)
        self.work = work
        self.backup = work / "backups" / "san-martin"
        (work / "project").mkdir()
        (work / "project" / "collections").symlink_to(resource("collections"))
        (work / "project" / "site.yml").write_text(PLAYBOOK)
        (work / "project" / "ansible.cfg").write_text(
            "[defaults]\ncollections_path=collections\ninterpreter_python=/usr/bin/python3\n"
            "internal_poll_interval=0.02\n[connection]\n"
            # A socket of OpenSSH's master in here could have too long a path.
            "pipelining=True\n[ssh_connection]\nssh_args=-F none\n"
        )

    def command(self, state: str, host: Machine, **options: Any) -> tuple[list[str], int, int]:
        """The argv, and both ends of the pipe for events."""
        inventory = self.work / f"inventory-{host.port}"
        inventory.write_text(f"san-martin ansible_host=127.0.0.1 ansible_port={host.port} ansible_user={host.user}\n")
        given = {
            "state": state, "folder": str(self.backup), "keeps": KEEPS, "writers": ["rsync"], "check": False,
            "replace": False, "date": "", "damaged_too": False,
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={host.folder / 'known_hosts'}",
            "ansible_ssh_private_key_file": str(host.folder / "client"),
            **options,
        }  # fmt: skip
        variables = self.work / "variables.json"
        variables.write_text(json.dumps(given))
        events_in, events_out = subprocess.os.pipe()
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return [program, "-i", str(inventory), "site.yml", "--extra-vars", f"@{variables}"], events_in, events_out

    def start(self, state: str, host: Machine, **options: Any) -> tuple[subprocess.Popen[str], int]:
        argv, events_in, events_out = self.command(state, host, **options)
        process = subprocess.Popen(
            argv, cwd=self.work / "project", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, pass_fds=[events_out], start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.work), "LC_ALL": "C.UTF-8",
                 "ANSIBLE_CALLBACKS_ENABLED": "sugar.deploy.events", "SUGAR_DEPLOY_EVENTS_FD": str(events_out)},
        )  # fmt: skip
        subprocess.os.close(events_out)
        return process, events_in

    def run(self, state: str, host: Machine, **options: Any) -> Run:
        process, events_in = self.start(state, host, **options)
        with subprocess.os.fdopen(events_in) as lines:
            events = [json.loads(line) for line in lines]
        output, _ = process.communicate(timeout=120)
        return Run(process.returncode, output, events)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("old") / "machine", 7001) as made:
        yield made


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Machine]:
    """New hardware, where the users have other numbers."""
    with machine(tmp_path / "new", 7101) as made:
        yield made


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[[str], Machine]]:
    """New hardware with a disk of that size."""
    with contextlib.ExitStack() as stack:
        yield lambda size: stack.enter_context(machine(tmp_path / "small", 7201, size))
