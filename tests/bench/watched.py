"""A server process that is measured: cold start, processor time with its children's, and memory, from /proc."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
SECONDS_TO_COME_UP = 60.0
_BETWEEN_SAMPLES = 0.25
_BETWEEN_MEMORY = 4
"""Samples: what the kernel has to count page by page is asked for less often."""
# What systemd does: the sockets are the descriptors from 3 on, and LISTEN_PID is the process itself.
_PASS = 'export LISTEN_PID=$$ LISTEN_FDS={count}; exec {moves} "$@"'
# bubblewrap does not wait for what it starts: whoever reaps orphans (PR_SET_CHILD_SUBREAPER) is told their time.
_REAPER = """import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
service = os.fork()
if service == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while os.wait()[0] != service:
    pass
"""


def listening() -> socket.socket:
    """A socket as a .socket unit opens it, on a free port."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", 0))
    made.listen(4096)
    return made


class Watched:
    """One process, from its start; with sockets it is up when it says READY=1, without when it accepts."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: dict[str, str],
        log: Path,
        sockets: Sequence[socket.socket] = (),
        up: Callable[[], bool] | None = None,
    ) -> None:
        self._notified = Path(tempfile.mkdtemp(prefix="bench-")) / "notify"
        # Open to the end: what a service says of itself later has to arrive, too.
        self._ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ready.bind(str(self._notified))
        with log.open("ab") as file:
            given = [each.fileno() for each in sockets]
            # First out of the way of 3, 4, …, then there.
            moves = " ".join(f"{number + 3}<&{one}" for number, one in enumerate(given))
            shell = ["/bin/sh", "-c", _PASS.format(count=len(given), moves=moves), "sh"] if given else []
            began = time.monotonic()
            self.process = subprocess.Popen(
                [sys.executable, "-S", "-c", _REAPER, *shell, *argv],
                env={**environment, "NOTIFY_SOCKET": str(self._notified)},
                stdout=file,
                stderr=file,
                pass_fds=given,
            )
            self._await(self._ready, up, log)
            self.cold_start_seconds = time.monotonic() - began
        own = ((pid, used) for pid, (parent, used) in _table().items() if parent == self.process.pid)
        self.pid, self.cold_start_processor = min(own)

    def _await(self, ready: socket.socket, up: Callable[[], bool] | None, log: Path) -> None:
        ready.settimeout(0.01 if up else 0.5)
        deadline = time.monotonic() + SECONDS_TO_COME_UP
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if b"READY=1" in ready.recv(4096):
                    return
            except TimeoutError:
                if up and up():
                    return
        raise SystemExit(f"it does not come up: {log.read_text()[-2000:]}")

    @property
    def cold_start(self) -> str:
        """How long it took from exec to being up, and how much processor time."""
        return f"{self.cold_start_seconds:.2f} s, {self.cold_start_processor:.2f} s of processor"

    def status_mib(self, name: str) -> float:
        """A line of /proc/PID/status: VmRSS, or VmHWM, the peak."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.partition(f"{name}:")[2].split()[0]) / 1024

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        self.process.wait(60)
        self._ready.close()
        self._notified.unlink()
        self._notified.parent.rmdir()


@dataclass
class Samples:
    """Of one process: its processor time by the clock, and its children's memory."""

    processor: list[tuple[float, float]] = field(default_factory=list)
    children_mib: float = 0.0
    """Of all that run at once, at the peak; of pages that several share, each has its part (PSS)."""
    children: int = 0

    def between(self, begin: float, end: float) -> float:
        """Processor seconds that were used between two times of time.monotonic()."""
        before = [used for at, used in self.processor if at <= begin] or [self.processor[0][1]]
        return max(used for at, used in self.processor if at <= end) - before[-1]


class Sampler:
    """Looks at the processes a few times a second, for as long as the `with` lasts."""

    def __init__(self, watched: Collection[Watched]) -> None:
        self.of = {one.process.pid: Samples() for one in watched}
        self._services = {one.pid for one in watched}
        self._taken = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self._sample()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()

    def __getitem__(self, watched: Watched) -> Samples:
        return self.of[watched.process.pid]

    def _run(self) -> None:
        while not self._ended.wait(_BETWEEN_SAMPLES):
            self._sample()

    def _sample(self) -> None:
        table, at = _table(), time.monotonic()
        below = defaultdict(list)
        for pid, (parent, _) in table.items():
            below[parent].append(pid)
        for pid, samples in self.of.items():
            found, waiting = [], list(below[pid])
            while waiting:
                found.append(waiting.pop())
                waiting += below[found[-1]]
            used = sum(table[each][1] for each in (pid, *found) if each in table)
            # A child that has ended and is not yet waited for is missing for a moment: time never goes back.
            used = max(used, samples.processor[-1][1] if samples.processor else 0.0)
            samples.processor.append((at, used))
            children = [each for each in found if each not in self._services]
            samples.children = max(samples.children, len(children))
            if self._taken % _BETWEEN_MEMORY == 0:
                samples.children_mib = max(samples.children_mib, sum(map(_proportional_mib, children)))
        self._taken += 1


def _proportional_mib(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0  # it has ended meanwhile
    return int(text.partition("\nPss:")[2].split()[0]) / 1024


def _table() -> dict[int, tuple[int, float]]:
    """By process: its parent, and its own and its waited-for children's processor seconds."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        seconds = sum(map(int, fields[11:15])) / TICKS
        found[int(path.parent.name)] = (int(fields[1]), seconds)
    return found
