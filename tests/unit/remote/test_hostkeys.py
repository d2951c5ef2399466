"""The deployment's known_hosts: new, damaged, and written by several at once."""

from __future__ import annotations

import threading
from pathlib import Path

import paramiko
import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.remote.hostkeys import pin, pinned_keys
from sugar_deploy.remote.session import session
from sugar_deploy.scenario.plan import Connection


def test_a_server_that_is_not_pinned_is_not_contacted_and_has_a_remedy(tmp_path: Path) -> None:
    unpinned = pytest.raises(DeployError, match=r"is not pinned in .*sugar-deploy host add SCHOOL")
    with unpinned, session(Connection("192.0.2.1", 22, "root"), tmp_path / "known_hosts"):
        pass


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(b"\xff\xfe\x00 ssh-ed25519 AAAA\n")
    with pytest.raises(UsageError, match="known_hosts is damaged"):
        pinned_keys(file, Connection("192.0.2.1", 22, "root"))


def test_servers_that_are_added_at_once_do_not_lose_each_other(tmp_path: Path) -> None:
    key = paramiko.ECDSAKey.generate()
    servers = [Connection(f"192.0.2.{number}", 22, "root") for number in range(1, 9)]
    threads = [threading.Thread(target=pin, args=(tmp_path / "known_hosts", server, key)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # What was read before is read again when it has changed.
    assert all(pinned_keys(tmp_path / "known_hosts", server) for server in servers)
