"""Ends a piece of work as a power cut would, before any one of its changes."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable, Collection

CHANGES = frozenset({"subprocess.Popen", "os.mkdir", "os.rename", "os.rmdir", "os.link", "open"})
"""What Python announces before it changes a disk or starts a program; opening a file to read it does not count."""


def killed(number: int, work: Callable[[], object], counted: Collection[str] = CHANGES) -> bool:
    """Do it in a process that is killed before its NUMBERth change of these kinds; False if it ended by itself."""
    child = os.fork()
    if child == 0:
        count = itertools.count(1)

        def announced(event: str, arguments: tuple[object, ...]) -> None:
            if event in counted and (event != "open" or _writes(arguments[2])) and next(count) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(announced)
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def _writes(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
