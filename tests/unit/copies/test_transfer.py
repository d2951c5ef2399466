"""The argv of rsync, and what is made of what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils import transfer
from ansible_collections.sugar.deploy.plugins.module_utils.transfer import Line, TransferError

SSH = ("ssh", "-p", "2022", "-o", "UserKnownHostsFile=/home/a b/known_hosts")
COMMON = (
    "rsync", "-rlptH", "--delete-delay", "--partial-dir=.sugar-deploy-partial", "--exclude=/.sugar-deploy-*",
    "--info=progress2", "--no-human-readable", "--timeout=300",
)  # fmt: skip


def test_a_tree_is_fetched_and_what_it_no_longer_has_is_kept() -> None:
    line = Line(SSH, "192.0.2.1", ("sudo", "-n"))
    assert transfer.fetching(line, "/var/lib/x", "/b/x", "/b/gone") == (
        *COMMON, "--backup", "--backup-dir=/b/gone",
        "-e", "ssh -p 2022 -o 'UserKnownHostsFile=/home/a b/known_hosts'", "--rsync-path=sudo -n rsync",
        "192.0.2.1:/var/lib/x/", "/b/x/",
    )  # fmt: skip
    assert "--checksum" in transfer.fetching(line, "/x", "/y", "/z", checksum=True)


def test_a_tree_is_brought_to_its_owner() -> None:
    assert transfer.bringing(Line(SSH, "[2001:db8::1]"), "/b/x", "/var/lib/x/.in", "sugar-backup:sugar-server") == (
        *COMMON, "--owner", "--group", "--chown=sugar-backup:sugar-server",
        "-e", "ssh -p 2022 -o 'UserKnownHostsFile=/home/a b/known_hosts'", "--rsync-path=rsync",
        "/b/x/", "[2001:db8::1]:/var/lib/x/.in/",
    )  # fmt: skip


def test_on_this_very_machine_there_is_no_ssh() -> None:
    assert transfer.one_file(Line(), "/a", "/b")[-2:] == ("/a", "/b")
    assert "-e" not in transfer.one_file(Line(), "/a", "/b")


def test_a_password_is_in_no_argument() -> None:
    line = Line(SSH, "192.0.2.1", ("sudo", "-k", "-S", "-p", ""), "kon-tiki")
    argv = transfer.fetching(line, "/x", "/y", "/z")
    assert "kon-tiki" not in " ".join(argv)
    assert argv[argv.index("-e") + 1].startswith(f"{sys.executable} ")
    assert "--rsync-path=sudo -k -S -p '' rsync" in argv
    assert "kon-tiki" in line.environment().values()


def says(tmp_path: Path, script: str) -> tuple[str, ...]:
    """A program that says what rsync would."""
    path = tmp_path / "rsync"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return (str(path),)


def test_progress_is_heard(tmp_path: Path) -> None:
    heard: list[tuple[int, int, str]] = []
    script = r"printf '      1234567  12%%   10.00MB/s    0:00:03 \r 9999999 100%% 1.00kB/s 0:00:00 (xfr#1)\n'"
    transfer.carry(says(tmp_path, script), Line(), lambda *told: heard.append(told), "/b")
    assert heard == [(1234567, 12, "10.00MB/s"), (9999999, 100, "1.00kB/s")]


def test_what_vanishes_meanwhile_is_no_failure(tmp_path: Path) -> None:
    transfer.carry(says(tmp_path, "echo 'file has vanished: x' >&2; exit 24"), Line(), lambda *_told: None, "/b")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'rsync: write failed: No space left on device (28)'; exit 11", "there is no room left in /b. Make"),
        ("echo 'Permission denied (publickey).'; echo 'rsync error: unexplained error'; exit 255",
         "Permission denied (publickey). What has arrived is kept"),
        ("exit 12", "rsync ended with status 12"),
    ],
)  # fmt: skip
def test_failures_say_what_to_do(tmp_path: Path, script: str, told: str) -> None:
    with pytest.raises(TransferError) as error:
        transfer.carry(says(tmp_path, script), Line(), lambda *_told: None, "/b")
    assert told in str(error.value)
