# SPDX-License-Identifier: GPL-3.0-or-later
"""What a laptop of today reads back of its backups: the list of its snapshots, and whether a copy is the same."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sugaroid.errors import NotServed

_PIECE = 1 << 16


@dataclass(frozen=True)
class Snapshot:
    """One of the Journal's states that the server keeps."""

    name: str
    entries: int


def read_list(text: str) -> list[Snapshot]:
    """What the server's command `snapshots` prints, the newest first; NotServed if it is no such list."""
    try:
        found = [Snapshot(each["snapshot"], each["entries"]) for each in json.loads(text)]
    except (ValueError, TypeError, KeyError) as error:
        raise NotServed(f"what the server lists as snapshots is not understood: {text[:200]}") from error
    if not all(isinstance(each.name, str) and type(each.entries) is int for each in found):
        raise NotServed(f"what the server lists as snapshots is not understood: {text[:200]}")
    return found


def differences(wanted: Path, given: Path) -> list[str]:
    """What is missing, added or different in a copy of a folder, byte for byte; paths below the folders, sorted."""
    ours, theirs = set(_tree(wanted)), set(_tree(given))
    found = [f"{path} is missing" for path in ours - theirs] + [f"{path} is too much" for path in theirs - ours]
    for path in ours & theirs:
        one, other = wanted / path, given / path
        if (one.is_dir(), one.is_symlink()) != (other.is_dir(), other.is_symlink()):
            found.append(f"{path} is of another kind")
        elif one.is_file() and not _same(one, other):
            found.append(f"{path} has other content")
    return sorted(found)


def _tree(folder: Path) -> Iterator[str]:
    """Files, links and folders; a link that leads to a folder is not followed."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield str((Path(place) / name).relative_to(folder))


def _same(one: Path, other: Path) -> bool:
    with one.open("rb") as left, other.open("rb") as right:
        while True:
            first, second = left.read(_PIECE), right.read(_PIECE)
            if first != second:
                return False
            if not first:
                return True
