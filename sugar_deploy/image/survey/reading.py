"""A system's tar, gone through once for all that is asked of it: newest date, what readers make of its files; a hash.

It has gigabytes, and ten thousands of files: reading them is what costs, not what is made of them. Nothing is held
but what the readers hold.
"""

from __future__ import annotations

import posixpath
import stat
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sugar_deploy.files import sha256_of

TREE, SETTINGS = "root.tar", "settings.tar"
"""In a composed image's folder: what the stages made, and what is laid over it, if there is anything."""
PIECE = 2**20
"""Bytes in which a file's content comes; only the last piece is shorter."""

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
_ATTRIBUTE = "SCHILY.xattr."
"""What tar puts before an extended attribute's name."""


class Taker(Protocol):
    """Is given the content of one file."""

    def take(self, piece: bytes) -> None:
        """Piece by piece."""

    def end(self) -> None:
        """That was all."""


class Reader(Protocol):
    """Is told of each entry, in the tar's order."""

    def entry(self, path: str, member: tarfile.TarInfo) -> Taker | None:
        """An entry, its path beginning with a slash; gives what is to have the content, if it is a regular file."""


@dataclass(frozen=True, slots=True)
class Read:
    """The tar's SHA-256, and the newest time in it (Unix seconds; 0 where it has none)."""

    sha256: str
    newest: int


def trees_of(folder: Path) -> tuple[Path, ...]:
    """The tars of a composed image, one over the other."""
    settings = folder / SETTINGS
    return (folder / TREE, settings) if settings.exists() else (folder / TREE,)


def read_tree(tree: Path, *readers: Reader) -> Read:
    """Read a tar from its first byte to its last; raises tarfile.TarError and OSError."""
    newest = 0
    # The hash reads the tar by itself, beside the rest, to which it leaves Python's lock: all is a third quicker than
    # a stream that is hashed piece by piece, though the tar is read twice, mostly out of memory.
    with ThreadPoolExecutor(1) as hashing, tarfile.open(tree, "r:") as archive:
        whole = hashing.submit(sha256_of, tree)
        for member in archive:
            newest = max(newest, int(member.mtime))
            path = normal(member.name)
            takers = [taker for reader in readers if (taker := reader.entry(path, member))]
            if takers and member.isreg():
                _give(archive, member, takers)
            # It would remember every one for nothing: 25 MiB for 48,000 files. Python 3.13 has `stream=True` against
            # that; before it there is but this attribute, which is neither documented nor typed.
            archive.members = []  # type: ignore[attr-defined]
        return Read(whole.result(), newest)


def normal(name: str) -> str:
    """A member's name as a path from the root."""
    return posixpath.normpath("/" + name).replace("//", "/")


def mode(member: tarfile.TarInfo) -> int:
    """A member's kind and rights, as stat(2) tells them."""
    return _KINDS.get(member.type, 0) | member.mode


def _give(archive: tarfile.TarFile, member: tarfile.TarInfo, takers: list[Taker]) -> None:
    file = archive.extractfile(member)
    assert file is not None, "a regular file has content"
    while piece := file.read(PIECE):
        for taker in takers:
            taker.take(piece)
    for taker in takers:
        taker.end()


def attributes(member: tarfile.TarInfo) -> dict[str, bytes]:
    """A file's extended attributes, as a program's capabilities are one."""
    return {
        header.removeprefix(_ATTRIBUTE): value.encode("utf-8", "surrogateescape")
        for header, value in member.pax_headers.items()
        if header.startswith(_ATTRIBUTE)
    }
