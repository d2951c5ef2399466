"""A contender's server, running in its Debian tree, and what it costs: all of its processes, from /proc."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.loopback import free_ports

from . import roots
from .contenders import Contender, Place, make_certificate

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60


@dataclass(frozen=True)
class Cost:
    """What a server has used so far."""

    cpu_seconds: float
    rss_mib: float
    peak_mib: float


def cost(pid: int) -> Cost:
    """Of a process and all that come from it; what ended meanwhile counts as its parent's."""
    ticks = rss = peak = 0
    for each in _family(pid):
        with contextlib.suppress(OSError):  # it has just ended
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            status = dict(line.split(":", 1) for line in Path(f"/proc/{each}/status").read_text().splitlines())
            ticks += sum(map(int, fields[11:15]))  # utime, stime, and both of children that were waited for
            rss += _kib(status.get("VmRSS", "0"))
            peak += _kib(status.get("VmHWM", "0"))
    return Cost(ticks / TICKS, rss / 1024, peak / 1024)


def _kib(text: str) -> int:
    return int(text.split(maxsplit=1)[0])


def _family(pid: int) -> list[int]:
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{each}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


@contextlib.contextmanager
def running(contender: Contender, suite: str, jids: Sequence[str], cpu: int) -> Iterator[tuple[int, int]]:
    """The server's port and process id, on one processor; nothing of it is left afterwards."""
    tree = roots.root(suite)
    folder = Path(tempfile.mkdtemp(prefix="sugar-bench-"))
    try:
        port, api_port = free_ports(2)
        place = Place(folder, tree, port, api_port, jids)
        make_certificate(folder)
        argv = roots.inside(tree, folder, contender.user, contender.prepare(place))
        _give(folder, tree, contender.user)
        files = min(65_536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                ["taskset", "-c", str(cpu), "prlimit", f"--nofile={files}:{files}", *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            _wait(process, port, folder)
            contender.started(place)
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGKILL)  # its first process, and so all of them
            process.wait(30)
    finally:
        shutil.rmtree(folder)


def _give(folder: Path, tree: Path, user: str) -> None:
    entry = next(line for line in (tree / "etc/passwd").read_text().splitlines() if line.startswith(f"{user}:"))
    owner, group = map(int, entry.split(":")[2:4])
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, group)


def _wait(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    said = [(folder / name).read_text(errors="replace") for name in ("output", "log") if (folder / name).exists()]
    raise RuntimeError(f"the server does not come up:\n{''.join(said)}")
