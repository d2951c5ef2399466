"""What is in an image's root file system, a line for each file: what two images are compared by."""

from __future__ import annotations

import gzip
import hashlib
import io
import posixpath
import stat
import tarfile
from pathlib import Path
from typing import cast

from sugar_deploy.errors import UsageError, cause
from sugar_deploy.image.outputs.composed import attributes

NAME = "files.txt.gz"
_KINDS = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.AREGTYPE: stat.S_IFREG,
    tarfile.LNKTYPE: stat.S_IFREG,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}


def listed(tree: Path) -> dict[str, str]:
    """By path: mode, owner, size in bytes, the file's SHA-256, or what it links to, or a device's numbers; its date.

    Extended attributes stand before the date, which is @ and seconds since 1970.
    """
    found = {}
    with tarfile.open(tree, "r:") as archive:
        for member in archive:
            path = posixpath.normpath("/" + member.name).replace("//", "/")
            mode = stat.filemode(_KINDS.get(member.type, 0) | member.mode)
            owner = f"{member.uid}:{member.gid}"
            extended = "".join(f" {name}={value.hex()}" for name, value in sorted(attributes(member).items()))
            told = f"{mode} {owner} {member.size} {_content(archive, member)}"
            found[path] = f"{told}{extended} @{int(member.mtime)}"
    return dict(sorted(found.items()))


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    if member.islnk():
        return f"={posixpath.normpath('/' + member.linkname)}"
    if member.issym():
        return f"->{member.linkname}"
    if member.ischr() or member.isblk():
        return f"{member.devmajor}:{member.devminor}"
    file = archive.extractfile(member) if member.isreg() else None
    # What tarfile gives is a BufferedReader, though it promises less.
    return hashlib.file_digest(cast(io.BufferedReader, file), "sha256").hexdigest() if file else "-"


def without_date(told: str) -> str:
    """What a line tells but for the file's date."""
    return told.rpartition(" @")[0]


def write(files: dict[str, str], folder: Path) -> None:
    """Keep the list beside an image; the same list, the same bytes."""
    lines = "".join(f"{told}\t{path}\n" for path, told in files.items())
    (folder / NAME).write_bytes(gzip.compress(lines.encode("utf-8", "surrogateescape"), mtime=0))


def read(folder: Path) -> dict[str, str]:
    """The list of a composed image's folder, or of one that was made of it; raises UsageError if it is neither."""
    if (folder / "root.tar").is_file():
        return listed(folder / "root.tar")
    try:
        text = gzip.decompress((folder / NAME).read_bytes()).decode("utf-8", "surrogateescape")
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(
            f"{folder}: has no list of its files: {cause(error)}", "Give the folder of an image"
        ) from error
    pairs = (line.rpartition("\t") for line in text.split("\n") if line)
    return {path: told for told, _, path in pairs}
