"""One run at a time on a deployment."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.run.lock import deployment_lock, read_lock

HOLD = """
import sys
import time
from pathlib import Path
from sugar_deploy.run.lock import deployment_lock
with deployment_lock(Path(sys.argv[1]), "apply san-martin"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_told_who_holds_the_lock_and_why(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    with holder(path) as first:
        busy = pytest.raises(DeployError, match=rf"process {first.pid}\) is busy .* apply san-martin")
        with busy, deployment_lock(path, "plan"):
            pass
        assert first.stdin is not None
        first.stdin.close()
    with deployment_lock(path, "plan"):
        pass
    assert not path.exists()


def test_a_killed_run_leaves_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as first:
        first.kill()
    assert path.exists()
    with deployment_lock(path, "apply"):
        held = read_lock(path)
        assert held is not None
        assert held.pid == os.getpid()
    assert not path.exists()


def test_what_the_killed_run_has_started_still_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = HOLD.replace('"apply san-martin"):', '"apply san-martin") as held:').replace(
        'print("held"', 'print(subprocess.Popen(["sleep", "60"], stdout=2, pass_fds=[held]).pid'
    )
    with subprocess.Popen(
        [sys.executable, "-c", "import subprocess" + script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        left_behind = int(first.stdout.readline())
        first.kill()
    try:
        busy = pytest.raises(DeployError, match=r"is busy .* apply san-martin")
        with busy, deployment_lock(path, "apply"):
            pass
    finally:
        os.kill(left_behind, signal.SIGKILL)


def test_of_many_that_find_a_dead_runs_lock_one_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holder(path) as first:
        first.kill()
    inside, most = 0, 0

    def contend() -> None:
        nonlocal inside, most
        for _ in range(200):
            with contextlib.suppress(DeployError), deployment_lock(path, "apply"):
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(contend) for _ in range(4)]:
            done.result()
    assert most == 1


def test_a_lock_of_another_machine_holds(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with deployment_lock(path, "apply"):
        content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"host": "headquarters.example.org"}))
    busy = pytest.raises(DeployError, match=r"@headquarters\.example\.org .*remove .*lock")
    with busy, deployment_lock(path, "apply"):
        pass
