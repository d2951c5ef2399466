"""A lock that ends with its holder, and with the programs that the holder started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sugar_deploy.errors import DeployError


@contextlib.contextmanager
def exclusive(path: Path, busy: str, say: Callable[[str], None], *, timeout_seconds: float = 900) -> Iterator[int]:
    """Hold a file's lock, waiting for whoever has it; yields its descriptor.

    A child that inherits the descriptor keeps the lock, so that what a killed process left running has ended
    before the next one starts.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(descriptor, path, busy, say, timeout_seconds)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path, busy: str, say: Callable[[str], None], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                say(f"Waiting: {busy}")
                told = True
            if time.monotonic() > deadline:
                raise DeployError(
                    f"{busy}, for more than {timeout_seconds:.0f} s", f"See who holds it: fuser -v {path}"
                ) from None
            time.sleep(0.1)
