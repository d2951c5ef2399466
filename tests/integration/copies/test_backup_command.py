"""`sugar-deploy backup`, from the deployment file to the manifest, through the rendered project."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder
from tests.integration.copies.conftest import Machine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def lima(tmp_path: Path, new: Machine) -> Folder:
    """A deployment whose one school is that machine."""
    folder = Folder(tmp_path / "lima")
    start(folder, Scenario.OFFLINE_SERVER, None)
    text = folder.file.read_text()
    changed = re.sub(r"address: 192\.0\.2\.10", f"address: 127.0.0.1\n      port: {new.port}\n      user: root", text)
    assert changed != text
    folder.file.write_text(re.sub(r"\n +user: admin\b", "", changed))
    folder.known_hosts.write_text((new.folder / "known_hosts").read_text())
    return folder


def back_up(folder: Folder, machine: Machine, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "sugar_deploy", "backup", "-C", str(folder.root), "--private-key",
            str(machine.folder / "client"), *words]  # fmt: skip
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def restored_by_plain_ansible(folder: Folder, machine: Machine) -> None:
    """The same disk, emptied, restored by the rendered project's own playbook; the roles have their own tests."""
    machine.ssh("rm -r /var/lib/sugar-backup/homes /etc/sugar-server/by-hand.conf")
    site = "- name: Nothing\n  hosts: all\n  gather_facts: false\n  tasks: []\n"
    (folder.rendered / "site.yml").write_text(site)
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory", "restore.yml",
            "--private-key", str(machine.folder / "client"),
            "--extra-vars", json.dumps({"sugar_deploy_backups": str(folder.backups)})]  # fmt: skip
    done = subprocess.run(argv, cwd=folder.rendered, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_school_is_saved_by_name(lima: Folder, new: Machine) -> None:
    new.ssh("mkdir -p /var/lib/sugar-backup/homes/x && echo work > /var/lib/sugar-backup/homes/x/y; "
            "echo '[health]' > /etc/sugar-server/by-hand.conf")  # fmt: skip
    done = back_up(lima, new, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    (school,) = report["backups"]
    assert report["backups"][school]["files"] == 1
    (host,) = report["hosts"].values()
    assert host["changed"] == 0
    assert "there is no /var/lib/sugar-server/registrations.db" in " ".join(host["warnings"])
    saved = lima.backups / school
    assert (saved / "trees/var-lib-sugar-backup/homes/x/y").read_text() == "work\n"
    listed = subprocess.run(["tar", "-tf", *saved.glob("*.tar")], capture_output=True, text=True, check=True).stdout
    assert "etc/sugar-server/by-hand.conf" in listed.split()
    assert new.ssh("ls /run/sugar-deploy.lock 2>/dev/null || echo released") == "released\n"
    restored_by_plain_ansible(lima, new)
    assert new.ssh("cat /var/lib/sugar-backup/homes/x/y /etc/sugar-server/by-hand.conf") == "work\n[health]\n"
    # Under version control, nothing of it is.
    subprocess.run(["git", "init", "-q", lima.root], check=True)
    status = subprocess.run(
        ["git", "-C", lima.root, "status", "--porcelain", "-uall"], capture_output=True, text=True
    )
    assert "backups/" not in status.stdout


def test_a_server_that_is_off_fails_and_says_so(lima: Folder, new: Machine) -> None:
    lima.file.write_text(lima.file.read_text().replace(str(new.port), "1"))
    lima.known_hosts.write_text(lima.known_hosts.read_text().replace(str(new.port), "1"))
    done = back_up(lima, new)
    assert done.returncode == 1
    assert "unreachable" in done.stdout and "To go on from there: sugar-deploy backup" in done.stdout
