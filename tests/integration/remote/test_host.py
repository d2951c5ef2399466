"""First contact with a real sshd: pin its key, install ours, learn what sudo needs, judge the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.integration.remote.conftest import PASSWORD, USER, SchoolMachine


def sugar_deploy(
    machine: SchoolMachine, *arguments: str, feed: str = "", home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home or machine.folder),
        "XDG_CONFIG_HOME": str(machine.folder / "config-home"),
    }
    return subprocess.run(
        [sys.executable, "-m", "sugar_deploy", *arguments],
        cwd=machine.deployment,
        input=feed,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )


def add(machine: SchoolMachine, *arguments: str) -> subprocess.CompletedProcess[str]:
    return sugar_deploy(machine, "host", "add", "san-martin", "--password-stdin", *arguments, feed=PASSWORD + "\n")


def test_the_first_contact_pins_installs_and_judges(school: SchoolMachine) -> None:
    done = add(school, "--fingerprint", school.fingerprint, "--json")
    findings = {found["check"]: found for found in json.loads(done.stdout)["findings"]}
    assert findings["sudo"]["seen"] == "asks for a password"
    assert findings["system"]["ok"]
    assert findings["clock"]["ok"]
    # Everything is well but what the test machine itself may lack.
    assert {check for check, found in findings.items() if not found["ok"]} <= {"init"}
    assert done.returncode == (0 if findings["init"]["ok"] else 1)

    known = (school.deployment / "known_hosts").read_text()
    key_type, key_text = (school.folder / "host.pub").read_text().split()[:2]
    assert known == f"[127.0.0.1]:{school.port} {key_type} {key_text}\n"

    # From now on the key is enough: OpenSSH itself logs in with what was pinned and installed.
    key = school.deployment / ".sugar-deploy" / "id_ed25519"
    assert key.stat().st_mode & 0o077 == 0
    options = ["-o", f"UserKnownHostsFile={school.deployment}/known_hosts", "-o", "StrictHostKeyChecking=yes"]
    ssh = ["ssh", "-n", "-F", "none", "-i", str(key), "-p", str(school.port), *options, "-o", "BatchMode=yes"]
    who = subprocess.run([*ssh, f"{USER}@127.0.0.1", "id -un"], capture_output=True, text=True, timeout=30)
    assert who.stdout == f"{USER}\n", who.stderr

    # The password that sudo needs is in the vault and nowhere else.
    view = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-vault"),
            "view",
            "--vault-password-file",
            next((school.folder / "config-home").rglob("vault-password")),
            school.deployment / "secrets" / "hosts.yml",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert PASSWORD in view.stdout
    for path in school.deployment.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    assert PASSWORD not in done.stdout + done.stderr

    again = sugar_deploy(school, "host", "probe", "san-martin")
    assert "asks for a password" in again.stdout
    keys = school.folder / "home" / USER / ".ssh" / "authorized_keys"
    assert add(school).returncode == done.returncode
    assert len(keys.read_text().splitlines()) == 1


def test_an_unexpected_host_key_is_refused_and_not_pinned(school: SchoolMachine) -> None:
    done = add(school, "--fingerprint", "SHA256:" + "A" * 43)
    assert done.returncode == 2
    assert f"shows {school.fingerprint}, not the expected" in done.stderr
    assert not (school.deployment / "known_hosts").exists()
    assert not (school.folder / "home" / USER / ".ssh").exists()


def test_nobody_trusts_a_key_unasked(school: SchoolMachine) -> None:
    done = add(school)
    assert done.returncode == 2
    assert "--fingerprint" in done.stderr


def test_a_changed_host_key_is_refused_with_its_remedy(school: SchoolMachine) -> None:
    add(school, "--yes")
    school.new_host_key()
    for verb in ("add", "probe"):
        done = sugar_deploy(school, "host", verb, "san-martin")
        assert done.returncode == 2
        assert "somebody stands in between" in done.stderr
        assert "ssh-keygen -f" in done.stderr


def test_a_wrong_password_is_told_without_a_traceback(school: SchoolMachine) -> None:
    done = sugar_deploy(school, "host", "add", "san-martin", "--password-stdin", "--yes", feed="wrong\n")
    assert done.returncode == 1
    assert "refuses the login" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_machine_that_is_off_is_told(school: SchoolMachine) -> None:
    school.process.kill()
    school.process.wait()
    done = add(school, "--yes")
    assert done.returncode == 1
    assert f"no SSH server answers at 127.0.0.1 port {school.port}" in done.stderr


def test_an_unknown_school_is_told(school: SchoolMachine) -> None:
    done = sugar_deploy(school, "host", "add", "san-marten")
    assert done.returncode == 2
    assert "no school is called san-marten" in done.stderr
