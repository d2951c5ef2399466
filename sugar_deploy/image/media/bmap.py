"""`.bmap`: which blocks of an image are to be written, and their hash, for flashers as bmaptool (its format 2)."""

from __future__ import annotations

import hashlib
import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

BLOCK = 4096
_CHUNK = 1024
"""Blocks that are looked at together."""
_NONE_YET = "0" * 64
"""What stands for the file's own hash while that is taken."""
_VERSIONS = ("2.0", "1.4")
"""Two numbers of one format, as bmaptool says."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes from START to before END, and their SHA-256 in hexadecimal if it is known."""

    start: int
    end: int
    sha256: str


def of(image: Path, *, whole: bool) -> str:
    """The description of an image. Without WHOLE, what is behind its last block that is not zeros is left out.

    Zeros before that are written: on a used stick something else would show through.
    """
    size = image.stat().st_size
    count = -(-size // BLOCK)
    mapped = count if whole else _behind_last(image)
    text = f"""<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> {size} </ImageSize>
    <BlockSize> {BLOCK} </BlockSize>
    <BlocksCount> {count} </BlocksCount>
    <MappedBlocksCount> {mapped} </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> {_NONE_YET} </BmapFileChecksum>
    <BlockMap>
        <Range chksum="{sha256_of_bytes(image, 0, min(mapped * BLOCK, size))}"> 0-{mapped - 1} </Range>
    </BlockMap>
</bmap>
"""
    return text.replace(_NONE_YET, hashlib.sha256(text.encode("ascii")).hexdigest(), 1)


def sha256_of_bytes(image: Path, start: int, end: int) -> str:
    """The SHA-256, in hexadecimal, of an image's bytes from START to before END."""
    digest = hashlib.sha256()
    with image.open("rb") as file:
        file.seek(start)
        for at in range(start, end, _CHUNK * BLOCK):
            digest.update(file.read(min(_CHUNK * BLOCK, end - at)))
    return digest.hexdigest()


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


def read(content: bytes, size: int) -> tuple[Range, ...]:
    """The ranges of an image of SIZE bytes that are to be written; ValueError says why they cannot be told."""
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - expat fetches no entities, and bounds their growth
    except ElementTree.ParseError as error:
        raise ValueError(f"is no XML: {error}") from None
    said = {child.tag: (child.text or "").strip() for child in root}
    if root.attrib.get("version") not in _VERSIONS or said.get("ChecksumType") != "sha256":
        raise ValueError("is no block map of version 2.0 with SHA-256")
    own = said.get("BmapFileChecksum", "")
    if hashlib.sha256(content.replace(own.encode(), _NONE_YET.encode(), 1)).hexdigest() != own:
        raise ValueError("is damaged: its own checksum is wrong")
    if said.get("ImageSize") != str(size):
        raise ValueError(f"describes an image of {said.get('ImageSize')} bytes, and this one has {size}")
    block = int(said.get("BlockSize", "0"))
    ranges = tuple(_range(one, block, size) for one in root.iterfind("BlockMap/Range"))
    in_order = all(one.end <= two.start for one, two in itertools.pairwise(ranges))
    if not ranges or ranges[0].start or not in_order:
        raise ValueError("does not begin with the partition table, or is out of order")
    return ranges


def _range(one: ElementTree.Element, block: int, size: int) -> Range:
    found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", one.text or "")
    if found is None:
        raise ValueError(f"has a range that is none: {one.text}")
    start, last = int(found[1]), int(found[2] or found[1])
    end = min((last + 1) * block, size)
    if start * block >= end:
        raise ValueError(f"has a range outside of the image: {one.text}")
    return Range(start * block, end, one.attrib.get("chksum", ""))
