"""Programs that end with the one who started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from sugar_deploy.errors import DeployError

GRACE_SECONDS = 5


class Processes:
    """The programs that several threads run; all of them can be stopped from outside."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, argv: Sequence[str], *, log: Path, cwd: Path, environment: Mapping[str, str], keep: int) -> int:
        """Run a program to its end with its output in LOG; the child inherits the descriptor KEEP."""
        with log.open("wb") as output:
            with self._guard:
                if self._stopped:
                    raise DeployError(f"{argv[0]} was not started, because another one failed")
                process = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(keep,),
                    process_group=0,
                    umask=0o022,
                )
                self._running.add(process)
            try:
                return process.wait()
            finally:
                with self._guard:
                    self._running.discard(process)

    def stop(self) -> None:
        """End all programs and start no more."""
        with self._guard:
            self._stopped = True
            running = tuple(self._running)
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
