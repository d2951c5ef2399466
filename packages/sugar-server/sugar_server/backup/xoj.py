# SPDX-License-Identifier: GPL-3.0-or-later
"""A Journal entry bundle (.xoj), written while it is sent: no entry is ever in memory as a whole.

A ZIP with one folder, named by the uid: the entry's file, _metadata.json and perhaps a preview. Sugar passes the
file's path on whether the entry has one or not, so there always is a file; and it takes the uid from the folder.
"""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Iterator
from typing import IO, cast

from sugar_server.backup.entries import Entry

_CHUNK = 256 * 1024
_LEFT_OUT = {"uid", "mountpoint"}
"""A mount point would send the entry to another volume."""


def bundle(entry: Entry) -> Iterator[bytes]:
    """The bundle's bytes, in pieces."""
    sink = _Sink()
    with zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_STORED) as archive:
        metadata = {name: value for name, value in entry.metadata.items() if name not in _LEFT_OUT}
        archive.writestr(_member(entry, f"{entry.uid}/_metadata.json"), json.dumps(metadata))
        if entry.preview:
            archive.writestr(_member(entry, f"{entry.uid}/preview/{entry.uid}"), entry.preview)
        with (
            entry.open() as file,
            archive.open(_member(entry, f"{entry.uid}/{entry.uid}"), "w", force_zip64=True) as to,
        ):
            while file and (data := file.read(_CHUNK)):
                to.write(data)
                yield sink.taken()
    yield sink.taken()


def _member(entry: Entry, name: str) -> zipfile.ZipInfo:
    try:
        at = time.localtime(entry.time)[:6]
    except (OverflowError, ValueError, OSError):
        at = (1980, 1, 1, 0, 0, 0)
    member = zipfile.ZipInfo(name, at if 1980 <= at[0] <= 2107 else (1980, 1, 1, 0, 0, 0))
    member.external_attr = 0o100644 << 16
    return member


class _Sink:
    """What the archive writes to; it cannot go back, so sizes follow after each member."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def taken(self) -> bytes:
        """What was written since it was last taken."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
