# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks every hour whether a database's daily copy is due, in a thread of its own, and remembers what went wrong."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from pathlib import Path

from sugar_server.database import copies, in_postgresql
from sugar_server.database.unusable import UnusableDatabase

_log = logging.getLogger(__name__)
_FIRST_SECONDS = 60.0
"""Not at once: at the start laptops wait."""
_HOUR_SECONDS = 3600.0
LOCK = "in-use"


class InUse(Exception):
    """Another process has the state's folder; the message says what to do."""


class Occupied:
    """The state's folder, for one daemon or one restoration at a time, until this process ends or lets go."""

    def __init__(self, folder: Path) -> None:
        # Group and others may not hold it: whoever can open it could keep the daemon from starting.
        try:
            self._file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UnusableDatabase(
                f"{folder}: cannot be used ({error.strerror}). "
                "See to the folder's owner (sugar-server) and free space."
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise InUse(
                f"{folder} is in use by another sugar-server. "
                "Stop it first: systemctl stop sugar-server.socket sugar-server.service"
            ) from None

    def close(self) -> None:
        os.close(self._file)


class Keeper:
    """Keeps copies of all databases in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ending = threading.Event()
        self._problems: dict[str, str] = {}
        self._checked: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="copies", daemon=True)

    @property
    def problems(self) -> list[str]:
        """Of the latest round."""
        return list(self._problems.values())

    def start(self) -> None:
        if not in_postgresql():
            self._thread.start()

    def close(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        seconds = _FIRST_SECONDS
        while not self._ending.wait(seconds):
            self.round()
            seconds = _HOUR_SECONDS

    def round(self) -> None:
        """Copies what is due; what was not copied since the start is at least looked through."""
        for path in sorted(self._folder.glob("*.db")):
            try:
                # One that failed is tried again every hour.
                if path.name in self._problems or copies.is_due(path, time.time()):
                    copies.make(path, time.time())
                    _log.info("Copied %s.", path)
                elif path.name not in self._checked:
                    copies.check(path)
                self._checked.add(path.name)
                self._problems.pop(path.name, None)
            except (UnusableDatabase, OSError) as error:
                _log.error("No copy of %s is made: %s", path, error)
                self._problems[path.name] = f"no copy of {path.name} is made: {error}"
