"""What is known of files that were read before, so that an unchanged package is not read again.

A file is taken for the same as long as its inode, size and time of change are; whoever wants to know about the disk
itself asks `repo verify`, which reads every byte.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from sugar_deploy.files import sha256_of, write_atomically
from sugar_deploy.repository.debs import Deb, inspect

FORMAT = 1
KEPT_DAYS = 60


class Proved:
    """Hashes and descriptions of files, by inode; hard links to a file are known with it."""

    def __init__(self, record: Path | None = None) -> None:
        self._record = record
        self._files: dict[str, list[Any]] = {}
        """Device and inode → size, time of change in ns, SHA-256, day of last use, and a .deb's own fields."""
        self._today = int(time.time() // 86400)
        self._changed = False
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, LookupError):
            loaded = json.loads(record.read_text()) if record else {}
            if loaded.get("format") == FORMAT:
                oldest = self._today - KEPT_DAYS
                self._files = {mark: list(entry) for mark, entry in loaded["files"].items() if entry[3] > oldest}

    def known(self, path: Path) -> str | None:
        """The SHA-256 of a file that has not changed since it was read."""
        entry = self._entry(path)
        return str(entry[2]) if entry else None

    def sha256(self, path: Path) -> str:
        """The SHA-256 of a file, read only if need be."""
        found = self.known(path)
        if found is None:
            found = sha256_of(path)
            self.learn(path, found)
        return found

    def learn(self, path: Path, sha256: str) -> None:
        """Note what somebody else has just read, or proved."""
        if self._entry(path) is None:
            status = path.stat()
            mark = f"{status.st_dev}:{status.st_ino}"
            self._files[mark] = [status.st_size, status.st_mtime_ns, sha256, self._today]
            self._changed = True

    def deb(self, path: Path, origin: str) -> Deb:
        """A package, asked of dpkg-deb only if need be."""
        entry = self._entry(path)
        if entry is None or len(entry) < 8:
            found = inspect(path, origin)
            self.learn(path, found.sha256)
            entry = self._entry(path)
            if entry is None:  # it changes while we read it
                return found
            entry[4:] = [found.name, found.version, found.architecture, found.source]
            self._changed = True
        name, version, architecture, source = entry[4:8]
        return Deb(name, version, architecture, entry[2], path, origin, source, entry[0])

    def save(self) -> None:
        """Remember it for the next time; where that is impossible, more will be read then."""
        if self._record and self._changed:
            with contextlib.suppress(OSError):
                write_atomically(self._record, json.dumps({"format": FORMAT, "files": self._files}) + "\n")
            self._changed = False

    def _entry(self, path: Path) -> list[Any] | None:
        status = path.stat()
        entry = self._files.get(f"{status.st_dev}:{status.st_ino}")
        if entry is None or entry[:2] != [status.st_size, status.st_mtime_ns]:
            return None
        if entry[3] != self._today:
            entry[3] = self._today
            self._changed = True
        return entry
