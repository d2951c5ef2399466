"""Where the deflated blocks are in a `.zd` that we wrote, so that the next one can take them over."""

from __future__ import annotations

import os
from pathlib import Path

_LINE_LIMIT = 1024


def index(path: Path) -> dict[bytes, tuple[int, int]]:
    """Where in the file (offset, length in bytes) the data of each digest is; as far as the file can be followed."""
    places: dict[bytes, tuple[int, int]] = {}
    with path.open("rb") as file:
        file.readline(_LINE_LIMIT)
        while len(words := file.readline(_LINE_LIMIT).split()) == 5:
            try:
                digest, length = bytes.fromhex(words[4].decode("ascii")), int(words[2], 16)
            except ValueError:
                break
            places.setdefault(digest, (file.tell(), length))
            file.seek(max(length, 0) + 1, os.SEEK_CUR)
    return places
