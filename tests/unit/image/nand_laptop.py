"""An XO-1's `update-nand` and `copy-nand`, modelled from their description alone; shares nothing with the product."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field

ERASE_BLOCK = 0x20000


class Refused(Exception):
    """The firmware stops, with this message."""


@dataclass
class Laptop:
    """What its partitions hold, by name; "" is the whole chip. MARKED are those that were completed."""

    held: dict[str, bytearray] = field(default_factory=lambda: {"": bytearray(b"stale")})
    sizes: dict[str, int] = field(default_factory=dict)
    marked: list[str] = field(default_factory=list)
    cleaned: list[str] = field(default_factory=list)

    def update(self, script: bytes, files: dict[str, bytes]) -> None:
        """`update-nand u:\\NAME.onu`, or the signed script of fs0.zip."""
        here, data, at = "", b"", 0
        for line in script.decode("ascii").split("\n"):
            match line.split():
                case []:
                    continue
                case ["data:", name]:
                    data = files[name]
                case ["erase-all"]:
                    self.held = {"": bytearray()}
                case ["partitions:", *words]:
                    self.sizes = {name: int(size, 16) for name, size in zip(words[::2], words[1::2], strict=True)}
                    self.held = {name: bytearray() for name in self.sizes}
                case ["set-partition:", name]:
                    here = name
                case ["eblock:", _, "sha256", digest]:
                    block, at = data[at : at + ERASE_BLOCK], at + ERASE_BLOCK
                    if hashlib.sha256(block).hexdigest() != digest:
                        raise Refused("Bad hash")
                    self.held[here] += block
                case ["mark-pending:", "0"]:
                    pass
                case ["mark-complete:", "0"]:
                    self.marked.append(here)
                case ["cleanmarkers"]:
                    self.cleaned.append(here)
                case _:
                    raise Refused(f"{line} is executed as Forth")

    def copy(self, image: bytes, sums: bytes) -> None:
        """`copy-nand u:\\NAME.img`."""
        if len(image) % ERASE_BLOCK or len(sums) % 9 or len(sums) // 9 != len(image) // ERASE_BLOCK:
            raise Refused("size")
        for number in range(len(image) // ERASE_BLOCK):
            block = image[number * ERASE_BLOCK : (number + 1) * ERASE_BLOCK]
            if int(sums[number * 9 : number * 9 + 8], 16) != zlib.crc32(block):
                raise Refused("CRC miscompare")
        self.held = {"": bytearray(image)}
