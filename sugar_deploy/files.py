"""Files written whole or not at all, on the disk itself, and known by their content."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def write_atomically(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Replace a file so that a power cut leaves the old one or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_on_media(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that it is on the medium when this returns; FAT allows no change of a mode afterwards."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def to_disk(path: Path) -> None:
    """Have a file's content, or the entries of a folder, on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unchanged(path: Path) -> tuple[int, int, int, int]:
    """What stays the same as long as nobody writes to a file: its disk, number, bytes, nanoseconds of its date."""
    told = path.stat()
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal, of however large a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
