"""Starting a lab's supervisor, and finding it again."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import write_atomically
from sugar_deploy.lab import control
from sugar_deploy.lab.keys import make_keys
from sugar_deploy.lab.mirror import Mirror
from sugar_deploy.lab.places import LabPlace, runtime_root
from sugar_deploy.lab.spec import LabSpec

_BUILD_SECONDS = 300.0


def require_root() -> None:
    """Network namespaces and mounts need the superuser."""
    if os.geteuid() != 0:
        raise UsageError(
            "The lab makes network namespaces and mounts, which only root may",
            "Run it with sudo; nothing outside the lab's own namespaces is changed",
        )


@contextmanager
def registry() -> Iterator[Path]:
    """The folder of labs, with nobody else adding or clearing away."""
    root = runtime_root()
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)
    with (root / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield root


def claim(place: LabPlace) -> tuple[int, int]:
    """Make the lab's folders; the descriptors' locks say that the lab lives."""
    with registry():
        try:
            place.root.mkdir(mode=0o700)
        except FileExistsError:
            raise UsageError(
                f"There is a lab {place.identity} already", f"End it: sugar-deploy lab down {place.identity}"
            ) from None
        alive = _lock_new(place.alive)
        place.disks.mkdir(parents=True, mode=0o700)
        return alive, _lock_new(place.in_use)


def _lock_new(file: Path) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def launch(spec: LabSpec, mirror: Mirror, *, owned: bool, held: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
    """Build the lab; it is there, though its machines still boot, when this returns.

    An owned lab ends with this process, even when that is killed; HELD descriptors stay open as long as the lab.
    """
    place = LabPlace.of(spec.identity)
    locks = claim(place)
    owner = os.pidfd_open(os.getpid()) if owned else None
    try:
        make_keys(place, [machine.name for machine in spec.machines])
        write_atomically(place.spec, spec.to_json())
        kept = (*locks, *held, *(() if owner is None else (owner,)))
        with place.log.open("ab") as log:
            process = subprocess.Popen(
                supervisor_argv(spec.identity, owner, [url for url in (mirror.main, mirror.security) if url]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=kept,
                cwd="/",
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONUNBUFFERED": "1"},
            )
    finally:
        for descriptor in (*locks, *(() if owner is None else (owner,))):
            os.close(descriptor)
    _wait_until_built(place, process)
    return process


def supervisor_argv(identity: str, owner: int | None, mirrors: list[str]) -> tuple[str, ...]:
    """The supervisor as first process of its own PID and mount namespaces: when it ends, all of it ends."""
    return (
        "unshare",
        "--pid",
        "--fork",
        "--kill-child=SIGKILL",
        "--mount",
        "--mount-proc",
        sys.executable,
        "-m",
        "sugar_deploy.lab.supervisor",
        identity,
        "-" if owner is None else str(owner),
        *mirrors,
    )


def _wait_until_built(place: LabPlace, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _BUILD_SECONDS
    said = ""
    while control.peer(place.control) is None:
        if place.log.exists():
            said = place.log.read_text(encoding="utf-8", errors="replace")
        if process.poll() is not None:
            lines = said.strip().splitlines() or ["it said nothing"]
            raise DeployError(f"The lab did not come up: {lines[-1]}", "Check the machine: sugar-deploy lab backends")
        if time.monotonic() > until:
            process.kill()
            raise DeployError(f"The lab is not built after {_BUILD_SECONDS:.0f} s", f"See {place.log}")
        time.sleep(0.02)


def end(place: LabPlace, *, seconds: float = 60) -> None:
    """End a lab, gently if it listens, and wait until nothing is left of it."""
    holder = control.peer(place.control)
    processes = [] if holder is None else _pidfds(holder, _parent(holder))
    try:
        control.ask(place.control, "end")
    except DeployError:
        if processes:
            signal.pidfd_send_signal(processes[0], signal.SIGKILL)
    until = time.monotonic() + seconds
    try:
        for process in processes:
            if not select.select([process], [], [], max(0.0, until - time.monotonic()))[0]:
                raise DeployError(f"The lab {place.identity} does not end", f"See {place.log}")
    finally:
        for process in processes:
            os.close(process)


def _parent(process: int) -> int:
    """The `unshare` that waits for the supervisor."""
    return int(Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


def _pidfds(*processes: int) -> list[int]:
    opened = []
    for process in processes:
        with suppress(ProcessLookupError):
            opened.append(os.pidfd_open(process))
    return opened


def is_alive(place: LabPlace) -> bool:
    """Whether some process of the lab still holds its lock."""
    return is_locked(place.alive)


def is_locked(file: Path) -> bool:
    """Whether another process holds a lock on it."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
