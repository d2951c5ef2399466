"""What the guard runs does not outlive whoever started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# A parent that starts a guarded command and then waits: the command writes its process number and ignores SIGINT.
PARENT = """
import subprocess, sys, time
guard = subprocess.Popen(
    [sys.executable, "-m", "sugar_deploy.run.guard", "sh", "-c",
     "trap '' INT; echo $$ > " + sys.argv[1] + "; sleep 60 & wait"],
    stdin=subprocess.PIPE)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(condition: object, seconds: float) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def guard(*argv: str) -> list[str]:
    return [sys.executable, "-m", "sugar_deploy.run.guard", *argv]


def test_the_commands_status_is_the_guards() -> None:
    for script, status in (("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)):
        with subprocess.Popen(guard("sh", "-c", script), stdin=subprocess.PIPE) as process:
            assert process.wait(20) == status, script


def test_a_killed_parent_takes_the_command_with_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(pid_file)])
    try:
        assert wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), 20)
        pid = int(pid_file.read_text())
        assert alive(pid)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert wait_for(lambda: not alive(pid), 20), "the command outlived its killed parent"


# As a shell starts its foreground commands, and those behind which `&` stands.
@pytest.mark.parametrize(
    "shell", [(), ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")], ids=["foreground", "background"]
)
def test_closing_its_input_interrupts_the_command_first(tmp_path: Path, shell: tuple[str, ...]) -> None:
    script = (
        f"trap 'echo interrupted > {tmp_path}/said; exit 3' INT; echo > {tmp_path}/ready; while :; do sleep 0.1; done"
    )
    with subprocess.Popen([*shell, *guard("sh", "-c", script)], stdin=subprocess.PIPE) as process:
        assert wait_for((tmp_path / "ready").exists, 20)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 130
    assert (tmp_path / "said").read_text() == "interrupted\n"


def test_what_the_command_leaves_running_ends_with_it(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid"
    with subprocess.Popen(guard("sh", "-c", script), stdin=subprocess.PIPE) as process:
        assert process.wait(30) == 0
    pid = int((tmp_path / "pid").read_text())
    assert not alive(pid)
    assert pid != os.getpid()
