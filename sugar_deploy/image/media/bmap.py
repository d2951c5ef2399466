"""`.bmap`: which blocks of an image are to be written, and their hash, for flashers as bmaptool (its format 2)."""

from __future__ import annotations

import hashlib
from pathlib import Path

BLOCK = 4096
_CHUNK = 1024
"""Blocks that are looked at together."""
_NONE_YET = "0" * 64
"""What stands for the file's own hash while that is taken."""


def of(image: Path, *, whole: bool) -> str:
    """The description of an image. Without WHOLE, what is behind its last block that is not zeros is left out.

    Zeros before that are written: on a used stick something else would show through.
    """
    size = image.stat().st_size
    count = -(-size // BLOCK)
    mapped = count if whole else _behind_last(image)
    digest = hashlib.sha256()
    with image.open("rb") as file:
        left = min(mapped * BLOCK, size)
        while left:
            data = file.read(min(left, _CHUNK * BLOCK))
            digest.update(data)
            left -= len(data)
    text = f"""<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> {size} </ImageSize>
    <BlockSize> {BLOCK} </BlockSize>
    <BlocksCount> {count} </BlocksCount>
    <MappedBlocksCount> {mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> {_NONE_YET} </BmapFileChecksum>
    <BlockMap>
        <Range chksum="{digest.hexdigest()}"> 0-{mapped - 1} </Range>
    </BlockMap>
</bmap>
"""
    return text.replace(_NONE_YET, hashlib.sha256(text.encode("ascii")).hexdigest(), 1)


def _behind_last(image: Path) -> int:
    """One more than the number of the last block that is not zeros; 1 at least."""
    last = 0
    with image.open("rb") as file:
        number = 0
        while data := file.read(_CHUNK * BLOCK):
            if any(data):
                last = number + (len(data.rstrip(b"\0")) - 1) // BLOCK
            number += _CHUNK
    return last + 1
