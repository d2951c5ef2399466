"""A block of the image, hashed and deflated.

Each block is on its own, so that threads share the work, each reading the image itself.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import deflate

from sugar_deploy.image.zd.layout import BLOCK_SIZE, PAD, BlockLine
from sugar_deploy.image.zd.source import Source

LEVEL = 6
"""libdeflate's level: denser than zlib's 6, at three times its speed."""

FILLINGS = (0x00, 0xFF)


@dataclass(frozen=True, slots=True)
class Packed:
    """A block as it stands in the file, and whether it was taken from an earlier one."""

    line: BlockLine
    data: bytes
    reused: bool = False


def pack(index: int, plain: bytes) -> Packed:
    """Hash and deflate one whole block."""
    data = bytes(deflate.zlib_compress(plain, LEVEL))
    return Packed(BlockLine(index, len(data), hashlib.sha256(plain).digest()), data)


def padded(plain: bytes) -> bytes:
    """A block filled up to its size."""
    return plain if len(plain) == BLOCK_SIZE else plain + PAD * (BLOCK_SIZE - len(plain))


class Packer:
    """Packs blocks of one image."""

    def __init__(self, image: Source, previous: Previous | None) -> None:
        self._image = image
        self._previous = previous
        # Most of a new file system is of one byte: such blocks are packed once.
        self._uniform = {bytes([value]) * BLOCK_SIZE: pack(0, bytes([value]) * BLOCK_SIZE) for value in FILLINGS}

    def __call__(self, indexes: Sequence[int]) -> list[Packed]:
        """These blocks, in their order."""
        return [self._one(index) for index in indexes]

    def _one(self, index: int) -> Packed:
        plain = padded(self._image.read(index * BLOCK_SIZE, BLOCK_SIZE))
        uniform = self._uniform.get(plain) if plain[0] == plain[-1] else None
        if uniform:
            line = uniform.line
            return Packed(BlockLine(index, line.length, line.digest), uniform.data)
        digest = hashlib.sha256(plain).digest()
        found = self._previous.find(digest, plain) if self._previous else None
        data = bytes(deflate.zlib_compress(plain, LEVEL)) if found is None else found
        return Packed(BlockLine(index, len(data), digest), data, found is not None)


class Previous:
    """An earlier `.zd` as the store of what is deflated already: the last output is the cache of the next one."""

    def __init__(self, path: Path, places: dict[bytes, tuple[int, int]], *, is_proved: bool) -> None:
        self._file = path.open("rb")
        self._places = places
        self._is_proved = is_proved

    def __len__(self) -> int:
        return len(self._places)

    def find(self, digest: bytes, plain: bytes) -> bytes | None:
        """The deflated bytes of a block, if they are there and sound: a damaged store is only a slower one."""
        place = self._places.get(digest)
        if place is None:
            return None
        offset, length = place
        data = os.pread(self._file.fileno(), length, offset)
        if self._is_proved:
            return data
        try:
            sound = bytes(deflate.zlib_decompress(data, BLOCK_SIZE)) == plain
        except (deflate.DeflateError, ValueError):
            return None
        return data if sound else None
