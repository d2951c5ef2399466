# SPDX-License-Identifier: GPL-3.0-or-later
"""The published builds: a folder for each, with `contents` and `root/`, and the settings of the rsync daemon.

The settings are made from what the folders are, and read by rsync at each connection.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import BinaryIO

from sugar_server.builds.tree import unpack

FOLDER = "builds"
CONFIG = "rsyncd.conf"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEAD = """# Written by sugar-server publish-build and unpublish-build: what is changed here is lost.
use chroot = no
read only = yes
list = yes
fake super = yes
numeric ids = yes
max verbosity = 1
timeout = 600
reverse lookup = no
forward lookup = no
"""


def is_name(name: str) -> bool:
    """Whether a build can have this name: it becomes a folder, and a word in the daemon's settings."""
    return _NAME.fullmatch(name) is not None


class Builds:
    """The builds below a folder, by default /var/lib/sugar-library."""

    def __init__(self, library: Path) -> None:
        self._folder = library / FOLDER
        self._published = self._folder / "published"
        self._spare = self._folder / "spare"

    def names(self) -> list[str]:
        return sorted(path.name for path in self._published.glob("*") if is_name(path.name))

    def publish(self, name: str, archive: BinaryIO, contents: bytes) -> None:
        """Unpack a build, and offer it instead of what had its name before."""
        self._prepare()
        try:
            new = self._spare / f"{name}.new"
            new.mkdir(mode=0o750)
            (new / "contents").write_bytes(contents)
            unpack(archive, new / "root")
            self._take_away(name)
            new.rename(self._published / name)
        finally:
            self._clean()
        self._configure()

    def unpublish(self, name: str) -> bool:
        """Offer a build no longer; whether it was offered."""
        if name not in self.names():
            return False
        self._prepare()
        (self._published / name).rename(self._spare / name)
        self._configure()
        self._clean()
        return True

    def _prepare(self) -> None:
        self._clean()
        self._published.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._spare.mkdir(mode=0o750)

    def _take_away(self, name: str) -> None:
        if (self._published / name).exists():
            (self._published / name).rename(self._spare / f"{name}.old")

    def _clean(self) -> None:
        """Remove what is not offered, also what an interrupted command has left; what lost its place gets it back."""
        for old in self._spare.glob("*.old"):
            if not (self._published / old.stem).exists() and is_name(old.stem):
                old.rename(self._published / old.stem)
        if self._spare.exists():
            shutil.rmtree(self._spare)

    def _configure(self) -> None:
        text = f"{_HEAD}\n[builds]\ncomment = published builds\npath = {self._published}\n"
        for name in self.names():
            text += f"\n[build-{name}]\npath = {self._published / name}\n"
        new = self._folder / f"{CONFIG}.new"
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o640)
            os.fsync(file.fileno())
        new.replace(self._folder / CONFIG)
