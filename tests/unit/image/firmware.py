"""The laptop's `fs-update`, modelled from its documented acceptance rules alone; shares nothing with the product.

It reads words and lines as the firmware does and keeps what the laptop's storage would hold.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field


class Refused(Exception):
    """The firmware stops, with this message."""


@dataclass
class Laptop:
    """An internal storage of some bytes, with whatever it held before."""

    storage: bytearray
    order: list[int] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _size: int = 0
    _count: int = 0

    def fs_update(self, data: bytes) -> None:
        """Unsigned update from the bytes of a `.zd`."""
        at = 0
        while True:
            end = data.find(b"\n", at)
            if end < 0 or end - at >= 1024:
                return  # The interpreter runs out of text: nothing more is executed, and nobody is told.
            words, at = data[at:end].split(b" "), end + 1
            if words[0] == b"zblocks-end:":
                break
            if words[0] == b"zblocks:":
                self._begin(words)
            elif words[0] == b"zblock:":
                at = self._block(words, data, at)
            elif words[0] == b"size:":
                if self._number(words[1]) != len(data):
                    raise Refused("Inconsistent size of zdata file")
            else:
                raise Refused(f"{words[0]!r} is executed as Forth")
        if self.order and max(self.order) + 1 != self._count:
            self.warnings.append("highest block")
        if 0 not in self.order:
            self.warnings.append("did not write a zero block")

    def _begin(self, words: list[bytes]) -> None:
        self._size, self._count = (self._number(word) for word in words[1:3])
        if self._size * self._count > len(self.storage):
            raise Refused("Image size is larger than output device")

    @staticmethod
    def _number(word: bytes) -> int:
        if not word or any(sign not in b"0123456789abcdefABCDEF" for sign in word):
            raise Refused("Bad number")
        return int(word, 16)

    def _block(self, words: list[bytes], data: bytes, at: int) -> int:
        index, length = self._number(words[1]), self._number(words[2])
        names = {b"sha256": "sha256", b"sha1": "sha1", b"md5": "md5", b"rmd160": "ripemd160"}
        if words[3] not in names:
            raise Refused("hash name")
        try:
            digest = bytes.fromhex(words[4].decode("ascii"))
        except ValueError:
            raise Refused("Malformed hash string") from None
        chunk = data[at : at + length]
        if len(chunk) < length:
            raise Refused("Short read of zdata file")
        if data[at + length : at + length + 1] != b"\n":
            raise Refused("Missing newline after zdata")
        try:
            plain = zlib.decompress(chunk[2:], wbits=-15, bufsize=self._size) if length > 6 else b""
        except zlib.error:
            plain = zlib.decompressobj(-15).decompress(chunk[2:]) if self._inflates(chunk[2:]) else b""
        if len(plain) != self._size:
            raise Refused("Wrong expanded data length")
        if hashlib.new(names[words[3]], plain).digest() != digest:
            raise Refused(f"Bad hash for eblock# {index}")
        self.storage[index * self._size : (index + 1) * self._size] = plain
        self.order.append(index)
        return at + length + 1

    @staticmethod
    def _inflates(raw: bytes) -> bool:
        try:
            zlib.decompressobj(-15).decompress(raw)
        except zlib.error:
            return False
        return True

    def signed_update(self, spec: bytes, data: bytes, name: str) -> None:
        """Update from a specification whose signature was right: its lines are compared with the data file's."""
        lines = spec.split(b"\n")
        while not lines[0].startswith(b"data:"):
            lines.pop(0)
        if lines.pop(0).split() != [b"data:", name.encode()]:
            raise Refused("Can't open file")
        at = 0
        for line in lines:
            if not line or line == b"zblocks-end:":
                break
            if len(line) > 127:
                raise Refused("Spec line too long")
            if data[at : at + len(line) + 1] != line + b"\n":
                raise Refused("Spec line mismatch")
            at += len(line) + 1
            if line.startswith(b"zblock: "):
                at += int(line.split(b" ")[2], 16) + 1
        self.fs_update(data)
