"""A picture of a laptop's screen, and what can be told of it without knowing its pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Picture:
    """Rows of red, green and blue."""

    width: int
    height: int
    pixels: bytes

    @classmethod
    def read(cls, file: Path) -> Self:
        """A PPM, as QEMU writes it."""
        kind, size, most, pixels = file.read_bytes().split(b"\n", 3)
        width, height = map(int, size.split())
        assert (kind, most, len(pixels)) == (b"P6", b"255", 3 * width * height)
        return cls(width, height, pixels)

    def colours(self, left: float = 0, top: float = 0, right: float = 1, bottom: float = 1) -> Counter[Colour]:
        """How often each colour is in a part of it; the part's borders are fractions of its width and height."""
        counted: Counter[Colour] = Counter()
        first, last = round(left * self.width) * 3, round(right * self.width) * 3
        for row in range(round(top * self.height), round(bottom * self.height)):
            line = self.pixels[row * self.width * 3 + first : row * self.width * 3 + last]
            counted.update(zip(line[::3], line[1::3], line[2::3], strict=True))
        return counted
