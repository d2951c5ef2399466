"""An SSH session for first contact and probes, to a server whose key is pinned."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from sugar_deploy.errors import DeployError
from sugar_deploy.remote.hostkeys import CONTACT_SECONDS, known_name, pinned_keys
from sugar_deploy.scenario.plan import Connection


@dataclass(frozen=True, slots=True)
class Answer:
    """What a remote command gave."""

    status: int
    out: str
    err: str


class LoginRefusedError(DeployError):
    """The server accepts neither the key nor the password."""


@contextlib.contextmanager
def session(
    connection: Connection, known_hosts: Path, key: Path | None = None, password: str | None = None
) -> Iterator[paramiko.SSHClient]:
    """A session with a server whose key is pinned; raises LoginRefusedError or DeployError."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    where = f"{connection.user}@{known_name(connection)}"
    keys = pinned_keys(known_hosts, connection)
    if not keys:
        raise DeployError(
            f"the host key of {where} is not pinned in {known_hosts}",
            "For a school's server: sugar-deploy host add SCHOOL. For another machine, compare the key that "
            f"`ssh-keyscan -p {connection.port} {connection.address}` shows, and add its line to that file",
        )
    for pinned in keys:
        client.get_host_keys().add(known_name(connection), pinned.get_name(), pinned)
    try:
        client.connect(
            connection.address,
            connection.port,
            connection.user,
            password=password,
            key_filename=str(key) if key else None,
            look_for_keys=key is None and password is None,
            allow_agent=password is None,
            timeout=CONTACT_SECONDS,
            banner_timeout=CONTACT_SECONDS,
            auth_timeout=CONTACT_SECONDS,
        )
    except paramiko.BadHostKeyException as error:
        raise DeployError(f"{where} shows another key than the pinned one: {error}") from error
    except paramiko.AuthenticationException as error:
        raise LoginRefusedError(
            f"{where} refuses the login", "Run `sugar-deploy host add` for this school to install your key"
        ) from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise DeployError(f"cannot connect to {where}: {error}", "Is it on, and its address right?") from error
    try:
        yield client
    finally:
        client.close()


def run(client: paramiko.SSHClient, command: str, stdin: str = "", timeout_seconds: float = 60.0) -> Answer:
    """Run a shell command on the server; what it needs to keep secret goes through its standard input."""
    try:
        feed, out, err = client.exec_command(command, timeout=timeout_seconds)
        feed.write(stdin)
        feed.channel.shutdown_write()
        text, complaint = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        return Answer(out.channel.recv_exit_status(), text, complaint)
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise DeployError(f"the connection broke off: {error or type(error).__name__}", "Try again") from error


def ensure_key(path: Path, comment: str) -> str:
    """Make the deployment's SSH key if there is none; returns its public line."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        argv: Sequence[str] = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path))
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return public_line(path)


def public_line(path: Path) -> str:
    """The authorized_keys line of a private key's file."""
    try:
        return path.with_name(path.name + ".pub").read_text().strip()
    except OSError as error:
        raise DeployError(
            f"{path}.pub cannot be read: {error.strerror}",
            f"Make it with: ssh-keygen -y -f {path} > {path}.pub",
        ) from error


# The file is replaced in one step, and only if the line is not there yet.
INSTALL_KEY = r"""
set -eu
umask 077
line=$(cat)
mkdir -p "$HOME/.ssh"
file=$HOME/.ssh/authorized_keys
touch "$file"
if grep -qxF -- "$line" "$file"; then echo present; exit 0; fi
cp -p "$file" "$file.new"
if [ -s "$file.new" ] && [ -n "$(tail -c1 "$file.new")" ]; then echo >> "$file.new"; fi
printf '%s\n' "$line" >> "$file.new"
mv "$file.new" "$file"
echo added
"""


def install_key(client: paramiko.SSHClient, line: str) -> bool:
    """Add a public key to the user's authorized_keys; False if it was there."""
    answer = run(client, INSTALL_KEY, line + "\n")
    if answer.status:
        raise DeployError(f"the key could not be installed: {answer.err.strip()}", "Is the home writable?")
    return answer.out.strip() == "added"
