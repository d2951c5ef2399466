"""Command lines and environment for ansible-playbook: pure functions."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Settings of the caller that Ansible and SSH need; nothing else of the environment reaches a run.
KEPT_ENVIRONMENT = (
    "HOME",
    "LOGNAME",
    "PATH",
    "SSH_AUTH_SOCK",
    "TMPDIR",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
)


@dataclass(frozen=True, slots=True)
class Playbook:
    """What to run, where, and how."""

    project: Path
    name: str = "site.yml"
    limit: tuple[str, ...] = ()
    limit_file: Path | None = None
    """The same names, one a line: a command line has no room for thousands."""
    check: bool = False
    local: bool = False
    private_key: Path | None = None
    vault_password_file: Path | None = None
    extra_vars_file: Path | None = None
    verbosity: int = 0


def playbook_argv(playbook: Playbook) -> tuple[str, ...]:
    """The argv of ansible-playbook."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    argv = [program, "-i", str(playbook.project / "inventory"), str(playbook.project / playbook.name)]
    if playbook.limit_file:
        argv += ["--limit", f"@{playbook.limit_file}"]
    elif playbook.limit:
        argv += ["--limit", ",".join(playbook.limit)]
    if playbook.check:
        argv += ["--check", "--diff"]
    if playbook.local:
        argv += ["--connection", "local"]
    if playbook.private_key:
        argv += ["--private-key", str(playbook.private_key)]
    if playbook.vault_password_file:
        argv += ["--vault-password-file", str(playbook.vault_password_file)]
    if playbook.extra_vars_file:
        argv += ["--extra-vars", f"@{playbook.extra_vars_file}"]
    if playbook.verbosity:
        argv.append("-" + "v" * playbook.verbosity)
    return tuple(argv)


def playbook_environment(playbook: Playbook, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of ansible-playbook: the caller's few needed settings, and ours."""
    kept = {name: environment[name] for name in KEPT_ENVIRONMENT if name in environment}
    return kept | {
        # Ansible refuses to work in a locale that is missing or not UTF-8; and reports are read in English.
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(playbook.project / "ansible.cfg"),
        "ANSIBLE_CALLBACKS_ENABLED": "sugar.deploy.events",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "PYTHONUNBUFFERED": "1",
    }


def shell_line(argv: Sequence[str]) -> str:
    """The argv as a line that can be pasted into a shell."""
    return shlex.join(argv)
