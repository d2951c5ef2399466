"""One run at a time on a deployment: a lock file with owner, reason and time."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the lock, and why."""

    owner: str
    host: str
    pid: int
    reason: str
    since: str


def _myself(reason: str) -> Holder:
    return Holder(
        owner=getpass.getuser(),
        host=socket.gethostname(),
        pid=os.getpid(),
        reason=reason,
        since=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    )


def read_lock(path: Path) -> Holder | None:
    """The lock's holder, or None; a damaged file counts as nobody's."""
    try:
        return Holder(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _busy(path: Path, holder: Holder | None) -> DeployError:
    if holder is None:
        return DeployError("another run is busy with this deployment", "Wait for it to end")
    return DeployError(
        f"{holder.owner}@{holder.host} (process {holder.pid}) is busy with this deployment since "
        f"{holder.since}: {holder.reason}",
        f"Wait for it to end; if that machine is gone for good, remove {path}",
    )


def _taken(path: Path) -> int:
    """A descriptor that holds the kernel's lock on the file that PATH names now."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Between opening and locking, its holder may have ended and removed it, and does so at any moment.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise _busy(path, read_lock(path)) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@contextlib.contextmanager
def deployment_lock(path: Path, reason: str) -> Iterator[int]:
    """Hold the deployment's lock; raises DeployError naming who holds it already.

    Gives the descriptor by which it is held: the kernel gives the lock back when the last process that has it
    is gone, so a killed run leaves no obstacle, and none can take over what is still held.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _taken(path)
    try:
        holder = read_lock(path)
        if holder is not None and holder.host != socket.gethostname():
            # The folder is shared with another machine, whose processes nobody here can see.
            raise _busy(path, holder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(_myself(reason))).encode(), 0)
        try:
            yield descriptor
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
