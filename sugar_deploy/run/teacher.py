"""The teacher's password of a school's pages: made on the server, which keeps only its hash."""

from __future__ import annotations

from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.remote.session import run, session
from sugar_deploy.scenario.plan import Host

COMMAND = "sugar-server password"
_AS_ROOT = {True: f"sudo -S -p '' {COMMAND}", False: f"sudo -n {COMMAND}"}
"""Whether sudo is given the administrator's password, on standard input."""


def new_password(folder: Folder, host: Host, private_key: Path | None, secrets: Secrets) -> str:
    """Have the server make a new one, in place of any before; who is logged in there is logged out.

    It crosses the network by SSH, and is neither on a command line nor in any file of this machine.
    """
    if "pages" not in host.services:
        raise UsageError(
            f"{host.name} has no teacher's pages",
            "A scenario with a LAN has them, unless services.pages.enabled is false",
        )
    command, feed = COMMAND, ""
    if host.connection.user != "root":
        kept = secrets.become_passwords().get(host.name)
        command, feed = _AS_ROOT[kept is not None], f"{kept}\n" if kept is not None else ""
    with session(host.connection, folder.known_hosts, private_key) as client:
        answer = run(client, command, feed)
    if answer.status:
        said = answer.err.strip().splitlines()
        raise DeployError(
            f"{host.name} made no password: {said[-1] if said else f'exit status {answer.status}'}",
            f"`sugar-deploy apply` installs the pages; `sugar-deploy host add {host.name}` learns what sudo asks for",
        )
    password = answer.out.strip()
    if not password or not password.isprintable() or " " in password:
        # What it said is not repeated: it may hold the password.
        raise DeployError(
            f"{host.name} answered something else than a password", f"On the server, as root: {COMMAND}"
        )
    return password
