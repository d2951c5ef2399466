# SPDX-License-Identifier: GPL-3.0-or-later
"""What a laptop may ask over SSH: a few forms of rsync's server call, read word by word and made anew.

Options are allowed by name; whatever is not listed is refused: options that name files, that write in place (a
snapshot shares its files with what is written), that keep owners or devices, and those that nobody thought of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Union

from sugar_server.backup.homes import FOLDERS
from sugar_server.backup.snapshots import NAME

COMPLETION = "/var/lib/ds-backup/completion/"
"""Where ds-backup puts its marker, an empty file named by the serial. The folder itself need not exist."""
LIST = "snapshots"
_SECONDS = 160
_MOST_SECONDS = 600
_WORD = re.compile(r"[A-Za-z0-9_./=:-]+")
_SHORT = re.compile(r"-([ltrz]*)(e[0-9]*\.[0-9]*[A-Za-z]*)?")
_TIMEOUT = re.compile(r"--timeout=([0-9]{1,5})")
_BANDWIDTH = re.compile(r"--bwlimit=[0-9]{1,9}")
_COMPRESSION = {"--new-compress", "--old-compress", "--compress-choice=zlib", "--compress-choice=zlibx"}
_COMPRESSION |= {"--compress-choice=zstd", "--compress-choice=lz4"}
_DELETION = {"--delete", "--delete-before", "--delete-during", "--delete-after", "--delete-delay"}
_UPLOADING = {"--partial", *_COMPRESSION, *_DELETION}


class Refused(Exception):
    """What was asked is not allowed; the message says why."""


@dataclass(frozen=True)
class Upload:
    """Bring a folder of the home up to date."""

    folder: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Completion:
    """Everything was brought: make the snapshot."""

    options: tuple[str, ...]


@dataclass(frozen=True)
class Download:
    """Give a snapshot."""

    snapshot: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """Tell which snapshots there are."""


Request = Union[Upload, Completion, Download, Listing]


def parse(command: str, serial: str) -> Request:
    """What COMMAND asks for, of a laptop that logged in with SERIAL; or Refused."""
    if command == LIST:
        return Listing()
    words = command.split(" ")
    if not all(_WORD.fullmatch(word) for word in words):
        raise Refused("only rsync's own calls are served")
    if words[:2] != ["rsync", "--server"] or len(words) < 5 or words[-2] != ".":
        raise Refused("only rsync is served")
    path, words = words[-1], words[2:-2]
    if words[0] == "--sender":
        return Download(_snapshot(path), _options(words[1:], _COMPRESSION))
    if path == COMPLETION + serial:
        return Completion(_options(_without_temp_dir(words), {"--partial"}))
    folder = path[:-1] if path.endswith("/") else path
    if folder not in FOLDERS:
        raise Refused(f"{path} is no folder for backups")
    return Upload(folder, _options(words, _UPLOADING))


def _snapshot(path: str) -> str:
    parts = (path[:-1] if path.endswith("/") else path).split("/")
    name = parts[-1] if parts[-1].startswith("datastore-") else f"datastore-{parts[-1]}"
    if len(parts) != 2 or parts[0] != "snapshots" or not NAME.fullmatch(name):
        raise Refused(f"{path} is no snapshot")
    return name


def _without_temp_dir(words: list[str]) -> list[str]:
    """ds-backup names /tmp; the marker is received elsewhere, where nothing else is."""
    words = [word for word in words if word != "--temp-dir=/tmp"]
    for at, word in enumerate(words[:-1]):
        if word == "--temp-dir" and words[at + 1] == "/tmp":  # noqa: S108 (left out, not used)
            return words[:at] + words[at + 2 :]
    return words


def _options(words: list[str], allowed: set[str]) -> tuple[str, ...]:
    options = []
    seconds = _SECONDS
    for word in words:
        timeout = _TIMEOUT.fullmatch(word)
        if timeout:
            seconds = min(int(timeout.group(1)) or _SECONDS, _MOST_SECONDS)
        elif word in allowed or _BANDWIDTH.fullmatch(word) or (len(word) > 1 and _SHORT.fullmatch(word)):
            options.append(word)
        else:
            raise Refused(f"the option {word} is not allowed")
    return (*options, f"--timeout={seconds}")
