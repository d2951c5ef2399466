"""The deployer's settings as a tar that is laid over a composed system: nothing of that is made anew for them."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import tarfile
from collections.abc import Mapping
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.compose.stage import Input
from sugar_deploy.image.survey.listing import kind, link

_OURS = "overrides/image/files"
_LINKS = 40
"""Symbolic links that are followed before it is a circle, as Linux does."""
_HOST_KEYS = "etc/ssh/ssh_host_*"


def require_usable(given: Input) -> None:
    """Raise UsageError for files that no image may have."""
    for name in given.files:
        if fnmatch.fnmatchcase(name, _HOST_KEYS):
            raise UsageError(f"{_OURS}/{name}: a laptop makes its host keys itself", "Remove it: all would have it")
        if "\n" in name:
            raise UsageError(f"{_OURS}/{name!r}: has a line break in its name", "Give it another name")


def write(given: Input, target: Path, there: Mapping[str, str], epoch: int) -> None:
    """Write the tar of GIVEN for a system that has THERE, lines of `listing` by path; all its times are EPOCH.

    As the stage `files` lays them: all is root's, folders that are there keep their rights, a link that is a folder's
    stays. Raises UsageError for a file where the system has a folder, or the other way round.
    """
    found = _Found(there)
    for name, path in given.files.items():
        found.add(name, path)
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for place, file in sorted(found.entries.items()):
            member = tarfile.TarInfo(f".{place}")
            member.mtime = epoch
            if file is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            elif file.is_symlink():
                member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, str(file.readlink())
                archive.addfile(member)
            else:
                with file.open("rb") as content:
                    told = os.fstat(content.fileno())
                    member.size, member.mode = told.st_size, _mode(told.st_mode)
                    archive.addfile(member, content)


class _Found:
    """What is to be laid, by its place in the system: a file or link of the deployer's, or a new folder."""

    def __init__(self, there: Mapping[str, str]) -> None:
        self.entries: dict[str, Path | None] = {}
        self._there = there

    def add(self, name: str, path: Path) -> None:
        folder, _, last = name.rpartition("/")
        place = posixpath.join(self._folder(folder, name), last)
        if self._is_folder(place):
            raise UsageError(f"{_OURS}/{name}: {place} is a folder in the system", "Give it another name")
        self.entries[place] = path

    def _folder(self, path: str, name: str) -> str:
        """Where a folder is, links followed; it is a new one where the system has none."""
        parts, found, links = path.split("/")[::-1] if path else [], "/", 0
        while parts:
            part = parts.pop()
            if part in ("", "."):
                continue
            place = posixpath.dirname(found) if part == ".." else posixpath.join(found, part)
            told = self._there.get(place)
            if told and kind(told) == "l" and links < _LINKS:
                links += 1
                leads = link(told)
                found = "/" if leads.startswith("/") else found
                parts += leads.split("/")[::-1]
            elif self._is_folder(place):
                found = place
            elif told or self.entries.get(place):
                raise UsageError(f"{_OURS}/{name}: {place} is no folder in the system", "Lay it elsewhere")
            else:
                self.entries[place], found = None, place
        return found

    def _is_folder(self, place: str) -> bool:
        told = self._there.get(place)
        if told is None:
            return place == "/" or (place in self.entries and self.entries[place] is None)
        return kind(told) == "d"


def _mode(mode: int) -> int:
    """Everybody may read it and only its owner write it; what somebody may execute, everybody may."""
    mode = (mode & 0o7777 | 0o644) & ~0o022
    return mode | 0o111 if mode & 0o111 else mode
