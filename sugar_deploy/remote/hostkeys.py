"""Host keys: what a server shows at first contact, and what the deployment has pinned (OpenSSH's known_hosts)."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import socket
from functools import lru_cache
from pathlib import Path

import paramiko

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import write_atomically
from sugar_deploy.scenario.plan import Connection

CONTACT_SECONDS = 15.0


def known_name(connection: Connection) -> str:
    """The server's name in known_hosts."""
    return connection.address if connection.port == 22 else f"[{connection.address}]:{connection.port}"


def fingerprint(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` shows it: SHA256 and unpadded base64."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def shown_key(connection: Connection) -> paramiko.PKey:
    """The key that the server shows now; raises DeployError if no SSH server answers there."""
    where = f"{connection.address} port {connection.port}"
    try:
        with (
            socket.create_connection((connection.address, connection.port), CONTACT_SECONDS) as sock,
            paramiko.Transport(sock) as transport,
        ):
            transport.start_client(timeout=CONTACT_SECONDS)
            return transport.get_remote_server_key()
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise DeployError(
            f"no SSH server answers at {where}: {error}",
            "Is the server on, is its address right, and is openssh-server installed?",
        ) from error


def pinned_keys(known_hosts: Path, connection: Connection) -> list[paramiko.PKey]:
    """The keys pinned for a server; none where it is new."""
    if not known_hosts.exists():
        return []
    seen = known_hosts.stat()
    found = _read(known_hosts, seen.st_mtime_ns, seen.st_size, seen.st_ino).lookup(known_name(connection))
    return list(found.values()) if found else []


@lru_cache(maxsize=1)
def _read(known_hosts: Path, *_version: int) -> paramiko.HostKeys:
    """The file, read once for all of thousands of servers as long as it stays as it is."""
    keys = paramiko.HostKeys()
    try:
        keys.load(str(known_hosts))
    except (UnicodeDecodeError, paramiko.SSHException) as error:
        raise UsageError(
            f"{known_hosts} is damaged: {error}", "Restore it, or remove it and run `sugar-deploy host add` again"
        ) from error
    return keys


def check_pinned(known_hosts: Path, connection: Connection, shown: paramiko.PKey) -> bool:
    """True if this key is pinned, False if the server is new; a changed key raises UsageError."""
    pinned = pinned_keys(known_hosts, connection)
    if not pinned:
        return False
    if any(key.asbytes() == shown.asbytes() for key in pinned):
        return True
    # A server has a key of each kind; only another key of a pinned kind is a changed one.
    expected = next((key for key in pinned if key.get_name() == shown.get_name()), pinned[0])
    raise UsageError(
        f"the server at {known_name(connection)} shows the key {fingerprint(shown)}, but {fingerprint(expected)} "
        "was pinned: it was reinstalled, or somebody stands in between",
        f"If you know that it was reinstalled: ssh-keygen -f {known_hosts} -R '{known_name(connection)}', "
        "then `sugar-deploy host add` again",
    )


def pin(known_hosts: Path, connection: Connection, key: paramiko.PKey) -> None:
    """Add a server's key to the deployment's known_hosts."""
    folder = os.open(known_hosts.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Two that add servers at once must not lose each other's line.
        fcntl.flock(folder, fcntl.LOCK_EX)
        before = known_hosts.read_text() if known_hosts.exists() else ""
        if before and not before.endswith("\n"):
            before += "\n"
        line = f"{known_name(connection)} {key.get_name()} {key.get_base64()}\n"
        write_atomically(known_hosts, before + line, mode=0o644)
    finally:
        os.close(folder)
