# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpacks a system's tree without any privilege, and without making links or devices on this server.

Owner, mode and kind of each file are kept as rsync's --fake-super keeps them (rsync(1), and set_stat_xattr in its
xattrs.c): the attribute user.rsync.%stat says "MODE MAJOR,MINOR UID:GID", a link is a file that holds its target,
and a device is an empty file. rsync makes real ones of them again, on the laptop.
"""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import tarfile
import zlib
from pathlib import Path
from typing import BinaryIO

_ATTRIBUTE = "user.rsync.%stat"
_MOST_FILES = 1_000_000
_FREE_AFTER = 256 * 1024 * 1024
"""Bytes that stay free on the disk."""
_KINDS = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.AREGTYPE: stat.S_IFREG,
    tarfile.CONTTYPE: stat.S_IFREG,
    tarfile.GNUTYPE_SPARSE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}


class BadTree(Exception):
    """The archive cannot be published; the message says why."""


def unpack(archive: BinaryIO, target: Path) -> None:
    """Unpack a tar archive, compressed or not, into a new folder."""
    target.mkdir(mode=0o750)
    room = shutil.disk_usage(target).free - _FREE_AFTER
    folders: dict[Path, float] = {}
    try:
        with tarfile.open(fileobj=archive, mode="r:*") as tar:
            for number, member in enumerate(tar):
                room -= member.size if member.isreg() else 0
                if room < 0:
                    raise BadTree("there is not enough room on the disk to unpack it")
                if number >= _MOST_FILES:
                    raise BadTree(f"it holds more than {_MOST_FILES} files")
                _place(tar, member, target)
                if member.isdir():
                    folders[_inside(target, member.name)] = member.mtime
            # To the end, where the compression's own checksum is.
            while tar.fileobj is not None and tar.fileobj.read(1024 * 1024):
                pass
        for path, seconds in folders.items():  # Only now nothing is placed in them any more.
            os.utime(path, (seconds, seconds))
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError, OverflowError) as error:
        raise BadTree(f"it is not a sound tar archive ({error})") from error
    except OSError as error:
        raise BadTree(_said(error)) from error
    if not any(target.iterdir()):
        raise BadTree("it is empty")


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    path = _inside(target, member.name)
    if member.islnk():
        os.link(_inside(target, member.linkname), path, follow_symlinks=False)
        return
    kind = _KINDS.get(member.type)
    if kind is None:
        raise BadTree(f"{member.name!a:.200} is of a kind that no system needs")
    if path == target and kind != stat.S_IFDIR:
        raise BadTree("its root is not a folder")
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if kind == stat.S_IFDIR:
        path.mkdir(mode=0o750, exist_ok=True)
    else:
        _write(tar, member, path)
        path.chmod(0o640)
    number = (member.devmajor, member.devminor) if kind in {stat.S_IFCHR, stat.S_IFBLK} else (0, 0)
    mode = kind | (stat.S_IMODE(member.mode) if kind != stat.S_IFLNK else 0o777)
    said = f"{mode:o} {number[0]},{number[1]} {member.uid}:{member.gid}"
    os.setxattr(path, _ATTRIBUTE, said.encode(), follow_symlinks=False)
    os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        if member.issym():
            file.write(os.fsencode(member.linkname))
        elif member.isreg():
            content = tar.extractfile(member)
            if content is not None:
                shutil.copyfileobj(content, file)


def _inside(target: Path, name: str) -> Path:
    """Where a member belongs; nothing below the target is a link that could lead out of it."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise BadTree(f"{name!a:.200} would be unpacked elsewhere")
    return target.joinpath(*parts)


def _said(error: OSError) -> str:
    if error.errno in {errno.ENOTSUP, errno.EOPNOTSUPP}:
        return "this disk's file system keeps no extended attributes. Use ext4, or mount it with user_xattr"
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return f"it cannot be unpacked ({error})"
