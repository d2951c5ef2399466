# SPDX-License-Identifier: GPL-3.0-or-later
"""Flushes a file system once for all who wait for it.

Each snapshot has to be on the disk before it bears its name. A flush writes what all others brought as well: a class
of thirty that flush one by one wait for the disk thirty times, and an SD card takes seconds for each.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path


def flush_file_system(folder: Path) -> None:
    """All of the file system that a folder is on."""
    subprocess.run(["/bin/sync", "--file-system", folder], check=False, capture_output=True)


class Flush:
    """Flushes one file system; who asks while a flush is under way shares the next one with others that ask then."""

    def __init__(self, flush: Callable[[Path], None] = flush_file_system) -> None:
        self._flush = flush
        self._changed = threading.Condition()
        self._begun = self._ended = 0
        """How many flushes."""

    def __call__(self, folder: Path) -> None:
        """Returns when a flush that began after the call has ended."""
        with self._changed:
            wanted = self._begun + 1
            while self._ended < wanted:
                if self._begun > self._ended:
                    self._changed.wait()
                else:
                    self._do(folder)

    def _do(self, folder: Path) -> None:
        self._begun += 1
        self._changed.release()
        try:
            self._flush(folder)
        finally:
            self._changed.acquire()
            self._ended = self._begun
            self._changed.notify_all()
