"""A stick's image as a laptop's firmware reads it: written from the description of FAT, and from what the firmware's
own reader leaves out: long names, and FAT16 whose table has 256 sectors.
"""

from __future__ import annotations

from collections.abc import Iterator


class Volume:
    """The first active partition of an image."""

    def __init__(self, image: bytes) -> None:
        assert image[510:512] == b"\x55\xaa"
        entries = [image[at : at + 16] for at in range(446, 510, 16)]
        (active,) = [entry for entry in entries if entry[0] == 0x80]
        start, size = (int.from_bytes(active[at : at + 4], "little") * 512 for at in (8, 12))
        assert start + size <= len(image)
        self.data = image[start : start + size]
        word, many = (self._number(at, 2) for at in (11, 17))
        self.cluster = self.data[13] * word
        table, tables = self._number(22, 2) or self._number(36, 4), self.data[16]
        self.fat_at = self._number(14, 2) * word
        root_at = self.fat_at + tables * table * word
        self.first = root_at + many * 32
        sectors = self._number(19, 2) or self._number(32, 4)
        assert sectors * word == size, "the filesystem fills its partition"
        self.clusters = (size - self.first) // self.cluster
        self.is_32 = self.clusters >= 65525
        assert self.clusters >= 4085, "FAT12"
        assert active[4] == (0x0C if self.is_32 else 0x0E)
        assert self.is_32 or table != 256, "the firmware cannot read this one"
        self.root = self._file(self._number(44, 4)) if self.is_32 else self.data[root_at : self.first]

    def files(self) -> dict[str, bytes]:
        """Files by their 8.3 names, in capitals."""
        return dict(self._walk(self.root, ""))

    def _walk(self, folder: bytes, path: str) -> Iterator[tuple[str, bytes]]:
        for at in range(0, len(folder), 32):
            entry = folder[at : at + 32]
            if entry[0] == 0:
                return
            if entry[0] == 0xE5 or entry[11] & 0x08:  # removed; a label, or a part of a long name
                assert entry[11] != 0x0F, "a long name: the firmware would see another one"
                continue
            stem, ending = entry[:8].decode().rstrip(), entry[8:11].decode().rstrip()
            name = f"{path}{stem}{'.' if ending else ''}{ending}"
            first = int.from_bytes(entry[26:28], "little") | int.from_bytes(entry[20:22], "little") << 16
            # 1 January 1980: another day would make other bytes of the same files.
            assert (entry[16:18], entry[24:26]) == (b"\x21\0", b"\x21\0")
            if entry[11] & 0x10:
                if not stem.startswith("."):
                    yield from self._walk(self._file(first), f"{name}/")
            else:
                yield name, self._file(first)[: int.from_bytes(entry[28:32], "little")]

    def _file(self, cluster: int) -> bytes:
        found, width = bytearray(), 4 if self.is_32 else 2
        end = 0x0FFFFFF8 if self.is_32 else 0xFFF8
        while 2 <= cluster < end:
            at = self.first + (cluster - 2) * self.cluster
            found += self.data[at : at + self.cluster]
            cluster = self._number(self.fat_at + cluster * width, width) & 0x0FFFFFFF
        return bytes(found)

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(self.data[at : at + size], "little")
