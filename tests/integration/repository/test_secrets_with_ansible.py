"""Ansible itself reads what the secrets store writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from sugar_deploy.folder import Folder
from sugar_deploy.keys.secrets import Secrets

# Everything that YAML, Jinja2 or a shell might take for something else.
HARD = "{{ 7 * 7 }} {% raw %} no: 'x' \"y\" #\\ ñandú $HOME 0x1F "


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def test_ansible_vault_views_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    secrets = Secrets(folder, "lima")
    secrets.set("vault_test", HARD)
    viewed = subprocess.run(
        [
            _tool("ansible-vault"),
            "view",
            "--vault-password-file",
            str(secrets.existing_password_file()),
            str(folder.secrets / "deployment.yml"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert viewed.startswith("vault_test: !unsafe ")
    assert yaml.safe_load(viewed.replace("!unsafe ", "")) == {"vault_test": HARD}


def test_a_playbook_gets_the_become_password_as_it_is(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    secrets = Secrets(folder, "lima")
    secrets.set_become_password("san-martin", HARD)
    playbook = tmp_path / "site.yml"
    playbook.write_text(
        """
- hosts: localhost
  connection: local
  gather_facts: false
  vars_files: [secrets/hosts.yml]
  vars:
    become_password: "{{ vault_become_passwords['san-martin'] }}"
  tasks:
    - ansible.builtin.copy:
        content: "{{ become_password }}"
        dest: "{{ playbook_dir }}/seen"
        mode: "0600"
"""
    )
    subprocess.run(
        [
            _tool("ansible-playbook"),
            "-i",
            "localhost,",
            "--vault-password-file",
            str(secrets.existing_password_file()),
            str(playbook),
        ],
        env=os.environ | {"ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_PYTHON_INTERPRETER": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "seen").read_text() == HARD
