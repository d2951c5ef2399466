"""The file system of a kept system, without settings: kept beside it for the next image.

It is taken away from there while it is worked on, so that nobody meets one that is half done.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from sugar_deploy.files import write_atomically
from sugar_deploy.image.parallel import in_order

FORMAT = 1
"""Raised when the same system would give another file system than before."""
_PIECE = 4 * 2**20
_NOTHING = hashlib.sha256(bytes(_PIECE)).digest()


class KeptFilesystem:
    """In a FOLDER, under a name of its own for each TOLD, which is all that it depends on beside the system."""

    def __init__(self, folder: Path, told: str) -> None:
        name = hashlib.sha256(f"{FORMAT} {told}".encode()).hexdigest()[:12]
        self._image, self._proof = folder / f"filesystem-{name}.img", folder / f"filesystem-{name}.sha256"

    def take(self, image: Path) -> bool:
        """Move it to IMAGE, if it is there and what it was."""
        try:
            self._image.rename(image)
            if self._proof.read_text("ascii") == fingerprint(image):
                return True
        except (OSError, ValueError):
            pass
        image.unlink(missing_ok=True)
        return False

    def prove(self, image: Path) -> None:
        """Note what IMAGE is, before it is kept."""
        write_atomically(self._proof, fingerprint(image), 0o644)

    def keep(self, image: Path) -> None:
        """Move IMAGE here, where both are on one file system; else it is made anew each time."""
        try:
            image.rename(self._image)
        except OSError:
            image.unlink()


def fingerprint(image: Path) -> str:
    """A hash of its pieces' hashes, and of its size; holes are not read."""
    size = image.stat().st_size
    total = hashlib.sha256(f"{size} ".encode("ascii"))
    with image.open("rb") as file:
        number = file.fileno()
        for digest in in_order(lambda at: _digest(number, at), range(0, size, _PIECE)):
            total.update(digest)
    return total.hexdigest()


def _digest(image: int, start: int) -> bytes:
    if _is_hole(image, start):
        return _NOTHING
    piece = os.pread(image, _PIECE, start)
    return hashlib.sha256(piece + bytes(_PIECE - len(piece))).digest()


def _is_hole(image: int, start: int) -> bool:
    try:
        return os.lseek(image, start, os.SEEK_DATA) >= start + _PIECE
    except OSError:  # nothing but a hole follows
        return True
