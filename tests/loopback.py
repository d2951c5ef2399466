"""Servers of tests on this machine's own loopback: ports that are free, and a real sshd in a mount namespace."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

STARTS_WITHIN_SECONDS = 30
KEYS_ONLY = ("PermitRootLogin yes", "PasswordAuthentication no", "Subsystem sftp internal-sftp")
"""Settings of an sshd that Ansible uses, as whoever runs the tests."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, each another one."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]


def make_key(path: Path) -> None:
    """An Ed25519 key without a passphrase, and PATH.pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


@contextlib.contextmanager
def sshd(folder: Path, script: str, *settings: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A machine that answers by ssh: its port and its process, for as long as the context.

    `script` runs in a mount namespace of its own with FOLDER as its first argument, and ends as
    `sshd -f FOLDER/config`; FOLDER/host is the machine's key, FOLDER/log what it says.
    """
    make_key(folder / "host")
    port = free_port()
    usual = (f"ListenAddress 127.0.0.1:{port}", f"HostKey {folder / 'host'}", "PidFile none", "UsePAM no")
    (folder / "config").write_text("".join(f"{line}\n" for line in (*usual, *settings)))
    argv = ["unshare", "-m", "--kill-child", "-f", "sh", "-c", script, "sh", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        wait_for_sshd(port, folder / "log", process)
        yield port, process
    finally:
        process.kill()
        process.wait()


def wait_for_sshd(port: int, log: Path, process: subprocess.Popen[bytes]) -> None:
    """Until it greets; an `AssertionError` with its log if it does not."""
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
            if sock.recv(4) == b"SSH-":
                return
        assert time.monotonic() < deadline and process.poll() is None, log.read_text()
        time.sleep(0.05)
