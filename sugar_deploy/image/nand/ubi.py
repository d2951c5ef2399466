"""UBI's headers in an XO-1's erase blocks: pages of 2 KiB, and the volume that the laptop starts from."""

from __future__ import annotations

import struct
import zlib

from sugar_deploy.image.report import Report

MAGIC = b"UBI#"
_PAGE = 2048
_BLOCK_HEADER = struct.Struct(">4sB3xQIII32xI")
"""Magic, version, times erased, where the volume's header and the data are, the image's number, checksum."""
_VOLUME_HEADER = struct.Struct(">4sBBBxI")
"""Magic, version, kind, copy, number of the volume."""


class Check:
    """Takes a partition's erase blocks, one after the other, and tells what was found once there are no more."""

    def __init__(self, name: str) -> None:
        self._name, self._blocks = name, 0
        self._images: set[int] = set()
        self._volumes: set[int] = set()
        self._errors: list[str] = []

    def block(self, content: bytes) -> None:
        """Look at the next erase block."""
        where = f"{self._name}: block {self._blocks}"
        magic, _, _, header_at, data_at, image, said = _BLOCK_HEADER.unpack_from(content)
        if magic != MAGIC:
            self._errors.append(f"{where}: is none of UBI's, as the first one is")
        elif said != zlib.crc32(content[: _BLOCK_HEADER.size - 4]) ^ 0xFFFFFFFF:
            self._errors.append(f"{where}: the checksum of UBI's header is wrong")
        elif (header_at, data_at) != (_PAGE, 2 * _PAGE):
            self._errors.append(f"{where}: UBI's headers are at {header_at} and {data_at}: for pages of another size")
        else:
            self._images.add(image)
            volume = _VOLUME_HEADER.unpack_from(content, header_at)
            if volume[0] == b"UBI!":
                self._volumes.add(volume[4])
        self._blocks += 1

    def report(self) -> Report:
        """What the laptop's kernel refuses."""
        errors = self._errors
        if not errors and len(self._images) > 1:
            errors = [f"{self._name}: its blocks are of {len(self._images)} UBI images"]
        elif not errors and 0 not in self._volumes:
            errors = [f"{self._name}: has no UBI volume 0, from which the laptop starts"]
        return Report(errors=errors)
