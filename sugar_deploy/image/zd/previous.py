"""An earlier `.zd` of ours as the store of what is deflated already: the last output is the cache of the next one."""

from __future__ import annotations

import os
from pathlib import Path

import deflate

from sugar_deploy.image.zd.layout import BLOCK_SIZE

_LINE_LIMIT = 1024


class Previous:
    """Finds blocks by the SHA-256 of their plain bytes; a damaged file is only a slower one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places = places(path)
        self._file: int | None = None

    def __len__(self) -> int:
        return len(self._places)

    def find(self, digest: bytes, plain: bytes) -> bytes | None:
        """The deflated bytes of a block, if they are there and sound."""
        place = self._places.get(digest)
        if place is None:
            return None
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        offset, length = place
        data = os.pread(self._file, length, offset)
        try:
            sound = bytes(deflate.zlib_decompress(data, BLOCK_SIZE)) == plain
        except (deflate.DeflateError, ValueError):
            return None
        return data if sound else None


def places(path: Path) -> dict[bytes, tuple[int, int]]:
    """Where in the file (offset, length in bytes) the data of each digest is; as far as it is one that we wrote."""
    found: dict[bytes, tuple[int, int]] = {}
    with path.open("rb") as file:
        file.readline(_LINE_LIMIT)
        while len(words := file.readline(_LINE_LIMIT).split()) == 5:
            try:
                digest, length = bytes.fromhex(words[4].decode("ascii")), int(words[2], 16)
            except ValueError:
                break
            found.setdefault(digest, (file.tell(), length))
            file.seek(max(length, 0) + 1, os.SEEK_CUR)
    return found
