"""An image of a stick: an MBR with one partition, of FAT32 or ext2, as the firmware reads them.

Never FAT16: with exactly 256 sectors for each of its tables the firmware cannot read it.
"""

from __future__ import annotations

import os
import tarfile
import uuid
from pathlib import Path

from sugar_deploy.image.outputs import extfs
from sugar_deploy.image.outputs.partitions import SECTOR, Partition, partition
from sugar_deploy.image.outputs.programs import run

_START = 2048
_AT_LEAST = 96 << 20
"""Bytes: FAT32 has 65525 clusters at least, of 512 bytes and up; this leaves some room for what laptops write."""
_ROOM = 16 << 20
_NAMESPACE = uuid.UUID("0b0a8a4e-5a0c-5c37-8f0b-3b0f5f6b1a56")
LABEL = "SUGAR"


def write_fat(root: Path, image: Path, epoch: int) -> None:
    """Make the image with what the folder ROOT holds, in FAT32."""
    size, identity = _size(root), _identity(root)
    where = Partition(_START, size // SECTOR - _START, "c", is_active=True)
    partition(image, size, (where,), identity, epoch)
    options = ("--invariant", "-F", "32", "-s", "8" if size > 1 << 30 else "1", "-i", identity.hex[:8], "-n", LABEL)
    place = ("-h", str(_START), "--offset", str(_START), str(image), str(where.sectors * SECTOR // 1024))
    run(["mkfs.vfat", *options, *place], epoch=epoch)
    fat = f"{image}@@{_START * SECTOR}"
    # One by one and sorted, with one time: -s would take the folder's own order.
    for path in sorted(root.rglob("*")):
        os.utime(path, (epoch, epoch))
        target = f"::/{path.relative_to(root).as_posix()}"
        command = ["mmd", "-i", fat, target] if path.is_dir() else ["mcopy", "-m", "-i", fat, str(path), target]
        run(command, epoch=epoch)


def write_ext2(root: Path, image: Path, epoch: int) -> None:
    """Make the image with what the folder ROOT holds, in ext2, where names may be long."""
    size, identity = _size(root), _identity(root)
    where = Partition(_START, size // SECTOR - _START, "83", is_active=True)
    partition(image, size, (where,), identity, epoch)
    tree = image.with_name("root.tar")
    with tarfile.open(tree, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(root.rglob("*")):
            member = archive.gettarinfo(path, path.relative_to(root).as_posix())
            member.uid, member.gid, member.uname, member.gname, member.mtime = 0, 0, "", "", epoch
            member.mode = 0o755 if path.is_dir() else 0o644
            if path.is_dir():
                archive.addfile(member)
            else:
                with path.open("rb") as file:
                    archive.addfile(member, file)
    work = image.with_name("tree")
    work.mkdir()
    extfs.make(where.place(image), extfs.BOOT, tree, label=LABEL, identity=identity, epoch=epoch, work=work)
    tree.unlink()


def _size(root: Path) -> int:
    """Bytes of the image: what is in it, an eighth more and some room, in whole MiB."""
    used = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    return max(_AT_LEAST, (used + used // 8 + _ROOM) >> 20 << 20)


def _identity(root: Path) -> uuid.UUID:
    """Of the medium: the same files, the same identity."""
    return uuid.uuid5(_NAMESPACE, (root / "contents.txt").read_text("ascii"))
