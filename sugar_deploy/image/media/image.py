"""An image of a whole stick or card: an MBR with one active partition, of FAT or ext2, and its `.bmap`.

Made without mounting anything. The same files give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sugar_deploy.files import sha256_of, write_atomically
from sugar_deploy.image.media import bmap, ext, fat
from sugar_deploy.image.outputs.partitions import SECTOR, Partition, partition

FIRST_OF_FAT = 315_532_800
"""1980-01-01 in Unix seconds: FAT knows no time before."""
LABEL = "SUGAR"
_START = 2048
"""The sector where the partition begins: as partitioning tools have it today."""


@contextmanager
def imaged(
    out: Path,
    *,
    is_fat: bool = True,
    label: str = LABEL,
    epoch: int = FIRST_OF_FAT,
    hash_of: Callable[[Path], str] = sha256_of,
) -> Iterator[Path]:
    """Yield an empty folder: what is in it when the block ends well becomes the file OUT, with OUT.bmap beside it.

    LABEL is the volume's, of at most 11 capitals; EPOCH (Unix seconds) is the time that its files carry; HASH_OF
    tells a file's SHA-256. Raises UsageError for what the filesystem cannot hold; OUT is then what it was.
    """
    work = out.parent / f".{out.name}.work"
    shutil.rmtree(work, ignore_errors=True)
    try:
        (work / "root").mkdir(parents=True)
        yield work / "root"
        image = work / "image"
        identity = _identity(work / "root", hash_of)
        _make(work / "root", image, identity, is_fat=is_fat, label=label, epoch=epoch)
        table = bmap.of(image, whole=not is_fat)
        with image.open("rb") as file:
            os.fsync(file.fileno())
        described = out.with_name(f"{out.name}.bmap")
        # Never an image beside the description of another one.
        described.unlink(missing_ok=True)
        image.replace(out)
        write_atomically(described, table, 0o644)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _make(root: Path, image: Path, identity: uuid.UUID, *, is_fat: bool, label: str, epoch: int) -> None:
    if is_fat:
        form = fat.form_for(fat.sizes_below(root))
        where = Partition(_START, form.mib * fat.MIB // SECTOR, form.kind, is_active=True)
    else:
        where = Partition(_START, ext.size_for(root) // SECTOR, ext.KIND, is_active=True)
    partition(image, (where.start + where.sectors) * SECTOR, (where,), identity, epoch)
    if is_fat:
        fat.write_fat(root, image, where, form, label=label, identity=identity, epoch=epoch)
    else:
        ext.write_ext2(root, image, where, label=label, identity=identity, epoch=epoch)


def _identity(root: Path, hash_of: Callable[[Path], str]) -> uuid.UUID:
    """Of the medium: the same files, the same identity; other ones, another."""
    total = hashlib.sha256()
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        total.update(f"{hash_of(file)}  {file.relative_to(root).as_posix()}\n".encode())
    return uuid.UUID(bytes=total.digest()[:16])
