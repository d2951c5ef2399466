"""What the backup client says to rsync and ssh: ds-backup's own words, seen by programs in their place."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sugaroid.backup import WAITS_SECONDS, Backup, Place
from sugaroid.checks.options import Options
from sugaroid.errors import InvalidInput, NotServed
from sugaroid.probes.web import Page
from sugaroid.profile import Profile

RECORDER = """#!{python}
import json, sys
open({log!r}, "a").write(json.dumps(sys.argv[1:]) + "\\n")
sys.stderr.write({complaint!r})
print({answer!r})
sys.exit({status})
"""


def _stand_in(folder: Path, name: str, *, status: int = 0, complaint: str = "", answer: str = "") -> Path:
    log, program = folder / f"{name}.log", folder / name
    text = RECORDER.format(python=sys.executable, log=str(log), complaint=complaint, answer=answer, status=status)
    program.write_text(text)
    program.chmod(0o755)
    return log


def _calls(log: Path) -> list[list[str]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _backup(folder: Path, kind: str = "ed25519", *, xo: bool = False) -> Backup:
    place = Place("school.lima", "10.0.0.1", port=2222)
    return Backup(Profile.make("ana", kind=kind), "SHC00700123", place, folder, xo)


def test_the_transfer_is_ds_backups(programs: Path, tmp_path: Path) -> None:
    log = _stand_in(programs, "rsync")
    marker = "10.0.0.1:/var/lib/ds-backup/completion/SHC00700123"
    pairs = {"datastore-current": tmp_path / "datastore", "power-logs": tmp_path / "p", "documents": tmp_path / "d"}
    asyncio.run(_backup(tmp_path).back_up(pairs))
    calls = _calls(log)
    assert [call[:1] + call[2:] for call in calls] == [
        *(
            ["-e", "-z", "-rlt", "--partial", "--delete", "--timeout=160", f"{folder}/", f"10.0.0.1:{name}"]
            for name, folder in pairs.items()
        ),
        ["-e", "-T", "/tmp", "--timeout", "10", f"{tmp_path}/empty", marker],
    ]  # fmt: skip
    assert (tmp_path / "empty").read_bytes() == b""
    ssh = shlex.split(calls[0][1])
    assert ssh[:3] == ["ssh", "-F", "/dev/null"]
    options = {ssh[at + 1] for at, word in enumerate(ssh) if word == "-o"}
    assert {"PasswordAuthentication=no", "StrictHostKeyChecking=no"} <= options
    for word, value in (("-l", "SHC00700123"), ("-i", f"{tmp_path}/owner.key"), ("-p", "2222")):
        assert ssh[ssh.index(word) + 1] == value


def test_the_key_is_the_profiles_and_nobody_elses(programs: Path, tmp_path: Path) -> None:
    _stand_in(programs, "rsync")
    backup = _backup(tmp_path)
    asyncio.run(backup.complete())
    asyncio.run(backup.complete())
    key = tmp_path / "owner.key"
    assert key.stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(["/usr/bin/ssh-keygen", "-lf", key], capture_output=True, text=True, check=True).stdout
    assert shown.split()[1] == backup.profile.keys.fingerprint


def test_an_xo_says_what_openssh_5_knows(programs: Path, tmp_path: Path) -> None:
    log = _stand_in(programs, "ssh", answer="[]")
    asyncio.run(_backup(tmp_path, "dsa", xo=True).snapshots())
    (call,) = _calls(log)
    assert {"Ciphers=aes128-cbc", "MACs=hmac-sha1", "HostKeyAlgorithms=ssh-rsa"} <= set(call)
    assert "PubkeyAcceptedKeyTypes=+ssh-dss" in call
    assert call[-2:] == ["10.0.0.1", "snapshots"]


def test_what_is_said_of_a_failure(programs: Path, tmp_path: Path) -> None:
    complaint = (
        "school server: the server's disk is full\n"
        "rsync: connection unexpectedly closed (0 bytes received so far) [sender]\n"
        "rsync error: error in rsync protocol data stream (code 12) at io.c(232) [sender=3.2.7]\n"
    )
    _stand_in(programs, "rsync", status=12, complaint=complaint)
    with pytest.raises(NotServed, match=r"^rsync ended with 12: school server: the server's disk is full$"):
        asyncio.run(_backup(tmp_path).complete())


def test_without_the_programs(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="install the packages rsync and openssh-client"):
        asyncio.run(_backup(tmp_path).complete())
    with pytest.raises(InvalidInput, match="install openssh-client"):
        Options("school.lima", expect=("backup",)).validate()
    _stand_in(programs, "ssh")
    with pytest.raises(InvalidInput, match="install rsync"):
        Options("school.lima", expect=("backup",)).validate()


def test_who_waits_too_long_leaves_nothing_running(programs: Path, tmp_path: Path) -> None:
    """rsync's own child, which is ssh, goes with it."""
    (programs / "rsync").write_text(f"#!/bin/sh\n/bin/sleep 60 &\necho $! >{tmp_path}/child\nwait\n")
    (programs / "rsync").chmod(0o755)
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(_backup(tmp_path).complete(), 1.0))
    child = Path("/proc") / (tmp_path / "child").read_text().strip()
    deadline = time.monotonic() + 10
    while _runs(child) and time.monotonic() < deadline:  # a signal takes its time on a busy machine
        time.sleep(0.02)
    assert not _runs(child)


def _runs(process: Path) -> bool:
    """Whether a process, by its folder in /proc, is there, and not only waits to be reaped."""
    try:
        return "\nState:\tZ" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("statuses", "asked", "why"),
    [
        ([200], 1, None),
        ([503, 503, 200], 3, None),
        ([503] * 9, 3, "later, and that every time"),
        ([403], 1, "status 403"),
        ([503, 404], 2, "status 404"),
    ],
)
def test_ds_backup_waits_only_when_told_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statuses: list[int], asked: int, why: str | None
) -> None:
    left = list(statuses)
    seen = []

    def fetch(*where: object) -> Page:
        seen.append(where)
        return Page(left.pop(0), "text/plain", b"")

    monkeypatch.setattr("sugaroid.backup.web.fetch", fetch)
    begin = _backup(tmp_path).begin((0.0, 0.0))
    if why is None:
        asyncio.run(begin)
    else:
        with pytest.raises(NotServed, match=why):
            asyncio.run(begin)
    assert seen == [("10.0.0.1", 80, "school.lima", "/backup/1/available/SHC00700123")] * asked


def test_its_patience_is_two_hours() -> None:
    assert [seconds // 60 for seconds in WAITS_SECONDS] == [2, 4, 8, 16, 32, 64]
