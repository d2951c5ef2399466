"""What is in an image's root file system, a line for each file: what two images are compared by."""

from __future__ import annotations

import gzip
import hashlib
import stat
import tarfile
from pathlib import Path

from sugar_deploy.errors import UsageError, cause
from sugar_deploy.image.survey.reading import TREE, attributes, mode, normal, read_tree, trees_of

NAME = "files.txt.gz"


class Listing:
    """Reads of a tree the lines of its list."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def entry(self, path: str, member: tarfile.TarInfo) -> _Line | None:
        """Note an entry; a file's line waits for its content."""
        extended = "".join(f" {name}={value.hex()}" for name, value in sorted(attributes(member).items()))
        before = f"{stat.filemode(mode(member))} {member.uid}:{member.gid} {member.size} "
        line = _Line(self.found, path, before, f"{extended} @{int(member.mtime)}")
        if member.isreg():
            return line
        line.note(_target(member))
        return None

    @property
    def files(self) -> dict[str, str]:
        """By path: mode, owner, size in bytes, the file's SHA-256, or its link, or a device's numbers; its date.

        Extended attributes stand before the date, which is @ and seconds since 1970.
        """
        return dict(sorted(self.found.items()))


class _Line:
    """A file's line, for which its content is hashed."""

    def __init__(self, found: dict[str, str], path: str, before: str, after: str) -> None:
        self._found, self._path, self._before, self._after = found, path, before, after
        self._hash = hashlib.sha256()

    def take(self, piece: bytes) -> None:
        self._hash.update(piece)

    def end(self) -> None:
        self.note(self._hash.hexdigest())

    def note(self, content: str) -> None:
        self._found[self._path] = f"{self._before}{content}{self._after}"


def _target(member: tarfile.TarInfo) -> str:
    if member.islnk():
        return f"={normal(member.linkname)}"
    if member.issym():
        return f"->{member.linkname}"
    if member.ischr() or member.isblk():
        return f"{member.devmajor}:{member.devminor}"
    return "-"


def listed(*trees: Path) -> dict[str, str]:
    """The list of a system's tars, one over the other."""
    listing = Listing()
    for tree in trees:
        read_tree(tree, listing)
    return listing.files


def kind(told: str) -> str:
    """Of an entry, by its line: d is a folder, l a symbolic link, as `ls` tells it."""
    return told[0]


def link(told: str) -> str:
    """Where a symbolic link leads, by its line."""
    return without_date(told).split(" ", 3)[3].removeprefix("->")


def without_date(told: str) -> str:
    """What a line tells but for the file's date."""
    return told.rpartition(" @")[0]


def write(files: dict[str, str], folder: Path) -> None:
    """Keep the list beside an image; the same list, the same bytes."""
    lines = "".join(f"{told}\t{path}\n" for path, told in files.items())
    (folder / NAME).write_bytes(gzip.compress(lines.encode("utf-8", "surrogateescape"), mtime=0))


def read(folder: Path) -> dict[str, str]:
    """The list of a composed image's folder, or of one that was made of it; raises UsageError if it is neither."""
    if (folder / TREE).is_file():
        return listed(*trees_of(folder))
    try:
        text = gzip.decompress((folder / NAME).read_bytes()).decode("utf-8", "surrogateescape")
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(
            f"{folder}: has no list of its files: {cause(error)}", "Give the folder of an image"
        ) from error
    pairs = (line.rpartition("\t") for line in text.split("\n") if line)
    return {path: told for told, _, path in pairs}
