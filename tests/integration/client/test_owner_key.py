"""Debian 13's Sugar gets the key that its own OpenSSH no longer makes, and registers with it."""

from __future__ import annotations

import os
import subprocess

import pytest

# What OpenSSH 10.0 of Debian 13 prints.
KEYS = """ssh-ed25519
ssh-ed25519-cert-v01@openssh.com
sk-ssh-ed25519@openssh.com
sk-ssh-ed25519-cert-v01@openssh.com
ecdsa-sha2-nistp256
ecdsa-sha2-nistp256-cert-v01@openssh.com
ecdsa-sha2-nistp384
ecdsa-sha2-nistp384-cert-v01@openssh.com
ecdsa-sha2-nistp521
ecdsa-sha2-nistp521-cert-v01@openssh.com
sk-ecdsa-sha2-nistp256@openssh.com
sk-ecdsa-sha2-nistp256-cert-v01@openssh.com
ssh-rsa
ssh-rsa-cert-v01@openssh.com
"""
PROFILE = "from sugar3.profile import get_profile as p; print(p().pubkey); print(p().privkey_hash)"
REGISTER = """
import sys
from jarabe.desktop import schoolserver
assert schoolserver.register_laptop(sys.argv[1])
"""


@pytest.fixture
def without_dsa(newer_laptop, tmp_path):
    """Debian 13's Sugar, with an OpenSSH that knows no DSA, at its first start."""
    (newer_laptop.home / ".sugar/default").mkdir(parents=True)
    (tmp_path / "keys").write_text(KEYS)
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\n[ "$*" = "-Q key" ] && exec cat {tmp_path}/keys\nexit 255\n')
    ssh.chmod(0o755)
    newer_laptop.path = f"PATH={ssh.parent}:{os.environ['PATH']}"
    return newer_laptop


def make(laptop):
    return laptop.run("env", laptop.path, "/usr/bin/python3", "-m", "sugar_client", "owner-key")


def test_sugar_registers_with_the_key(without_dsa, school):
    profile = without_dsa.home / ".sugar/default"
    assert "made" in make(without_dsa)
    private = profile / "owner.key"
    assert private.stat().st_mode & 0o777 == 0o600
    blob, digest = without_dsa.run("/usr/bin/python3", "-c", PROFILE).split()
    assert digest != "None"
    # OpenSSH of Debian 12 still reads it.
    said = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True, check=True).stdout
    assert said.split()[:2] == ["ssh-dss", blob]
    without_dsa.run("/usr/bin/python3", "-c", REGISTER, f"{school.url}/")
    said = subprocess.run(["ssh-keygen", "-lf", f"{private}.pub"], capture_output=True, text=True, check=True).stdout
    (registered,) = school.registrations()
    assert registered["fingerprint"] == said.split()[1]

    before = private.read_text()
    assert "Nothing to do" in make(without_dsa)
    # The power went between the two files.
    private.with_name("owner.key.pub").unlink()
    assert "made" in make(without_dsa)
    assert private.read_text() == before
    assert private.with_name("owner.key.pub").read_text().split() == ["ssh-dss", blob]
    assert {path.name for path in profile.iterdir()} <= {"owner.key", "owner.key.pub", "identifiers", "logs"}


def test_where_openssh_can_sugar_makes_its_own(newer_laptop):
    profile = newer_laptop.home / ".sugar/default"
    profile.mkdir(parents=True)
    assert "Nothing to do" in newer_laptop.run("/usr/bin/python3", "-m", "sugar_client", "owner-key")
    assert list(profile.iterdir()) == []
