"""ansible.cfg of a rendered project; relative paths in it are relative to the file itself."""

from __future__ import annotations

from sugar_deploy.render.inventory import HEADER

_SETTINGS = """\
[defaults]
inventory = inventory
roles_path = roles
collections_path = collections
host_key_checking = True
interpreter_python = auto_silent
forks = 20
# Ansible looks for results each millisecond otherwise, which costs it half of its processor time while it waits.
internal_poll_interval = 0.02
timeout = 30
retry_files_enabled = False
callback_result_format = yaml

[inventory]
# The only format in here; the others are not tried.
enable_plugins = ini
any_unparsed_is_failed = True

[connection]
pipelining = True

[ssh_connection]
# A school's line may stall for a while: keep one connection a host, and notice within two minutes that it is dead.
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=15 -o ServerAliveCountMax=8
retries = 2
"""


def ansible_cfg() -> str:
    """The text of ansible.cfg."""
    return f"{HEADER}\n{_SETTINGS}"
