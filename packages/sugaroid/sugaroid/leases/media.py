# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on a stick, be it a mounted folder or an image with FAT, which mtools reads.

Of an image the first partition is tried, then the whole of it, as the initramfs tries a device.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sugaroid.errors import InvalidInput, reason

_SECTOR = 512
_TABLE, _ENTRY, _ENTRIES = 446, 16, 4
_SIGNATURE = b"\x55\xaa"
_SECONDS = 60


def read(medium: Path, name: str) -> bytes | None:
    """What a file on the medium holds; None if it is not there. Raises InvalidInput where there is no such medium."""
    try:
        if medium.is_dir():
            path = medium / name
            return path.read_bytes() if path.is_file() else None
        starts = list(_starts(medium))
    except OSError as error:
        raise InvalidInput(f"{medium} cannot be read: {reason(error)}") from None
    if shutil.which("mtype") is None:
        raise InvalidInput(f"{medium} is an image, which is read with mtools; install it, or mount the image")
    for start in starts:
        argv = ("mtype", "-i", f"{medium}@@{start}", f"::{name}")
        # It would refuse an image that is no whole number of tracks long.
        environment = os.environ | {"MTOOLS_SKIP_CHECK": "1"}
        done = subprocess.run(argv, capture_output=True, env=environment, timeout=_SECONDS, check=False)
        if done.returncode == 0:
            return done.stdout
    return None


def _starts(image: Path) -> Iterator[int]:
    """Where a filesystem may begin, in bytes: the partition that the firmware takes as well, then the whole."""
    with image.open("rb") as file:
        sector = file.read(_SECTOR)
    entries = [sector[_TABLE + _ENTRY * number :][:_ENTRY] for number in range(_ENTRIES)]
    # A FAT without partitions has the same signature, and anything before it.
    if sector[-2:] == _SIGNATURE and all(entry[0] in (0x00, 0x80) for entry in entries):
        used = [entry for entry in entries if entry[4]]
        active = [entry for entry in used if entry[0] == 0x80]
        for entry in (active or used)[:1]:
            yield int.from_bytes(entry[8:12], "little") * _SECTOR
    yield 0
