"""An ext2 filesystem in an image, where names may be long."""

from __future__ import annotations

import tarfile
import uuid
from pathlib import Path

from sugar_deploy.image.outputs import extfs
from sugar_deploy.image.outputs.partitions import Partition

KIND = "83"
"""The partition's type."""
_LEAST, _ROOM = 32 << 20, 16 << 20


def size_for(root: Path) -> int:
    """Bytes of the filesystem: what is in it, an eighth more and some room, in whole MiB."""
    used = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    return max(_LEAST, (used + used // 8 + _ROOM) >> 20 << 20)


def write_ext2(root: Path, image: Path, where: Partition, *, label: str, identity: uuid.UUID, epoch: int) -> None:
    """Make the filesystem in a partition of IMAGE, with what the folder ROOT holds, as of EPOCH (Unix seconds).

    What is a link there is the file itself on it.
    """
    tree = image.with_name("root.tar")
    with tarfile.open(tree, "w", format=tarfile.PAX_FORMAT, dereference=True) as archive:
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
    extfs.make(where.place(image), extfs.BOOT, tree, label=label, identity=identity, epoch=epoch, work=work)
    tree.unlink()
