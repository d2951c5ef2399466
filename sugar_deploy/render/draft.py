"""A project while it is written: the same input gives the same bytes and the same modes."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_UNWANTED = frozenset({"__pycache__", "molecule", "tests"})
_UNWANTED_ENDINGS = (".pyc", ".pyo", ".orig", ".rej", "~")


@dataclass(frozen=True, slots=True)
class Draft:
    """A folder being filled; its files are for their owner only, whatever the umask.

    A file that is the same as in the previous project is linked to that, which spares the disk: freeing the blocks
    of 10,000 small files takes ten seconds where the filesystem discards them at once, linking them 0.1 s.
    """

    root: Path
    previous: Path
    """The project that will be replaced; it need not exist."""

    def folder(self, name: str) -> None:
        """Make a folder, with those above it."""
        path = self.root / name
        if not path.exists():
            self.folder(os.path.dirname(name))  # noqa: PTH120 (a name, not a path)
            path.mkdir(mode=0o700)

    def write(self, name: str, data: bytes, *, executable: bool = False) -> None:
        """Write a file whose folder exists and that is not there yet."""
        path = f"{self.root}/{name}"
        mode = 0o700 if executable else 0o600
        if _link_if_same(f"{self.previous}/{name}", path, data, mode):
            return
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            os.fchmod(descriptor, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)

    def text(self, name: str, text: str) -> None:
        """Write a file of text, UTF-8, making its folder."""
        self.folder(os.path.dirname(name))  # noqa: PTH120
        self.write(name, text.encode())

    def copy(self, source: Path, name: str) -> None:
        """Copy a file's bytes, and whether it is executable, making its folder."""
        self.folder(os.path.dirname(name))  # noqa: PTH120
        self.write(name, source.read_bytes(), executable=os.access(source, os.X_OK))

    def copy_tree(self, source: Path, name: str, wanted: Callable[[Path], bool]) -> None:
        """Copy the wanted files of a tree; `wanted` is asked with the path relative to the source."""
        for path in walk(source):
            if wanted(path):
                self.copy(source / path, f"{name}/{path}" if name else str(path))

    def link(self, source: Path, name: str) -> None:
        """Link a large file that nobody changes in place, or copy it where that is impossible; mode as it is."""
        self.folder(os.path.dirname(name))  # noqa: PTH120
        path = f"{self.root}/{name}"
        try:
            os.link(source, path)
        except OSError:
            shutil.copy2(source, path)


def _link_if_same(previous: str, path: str, data: bytes, mode: int) -> bool:
    """Link the previous project's file if it has this very content and mode."""
    try:
        with open(previous, "rb", opener=_not_through_links) as file:
            status = os.fstat(file.fileno())
            same = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == mode
            if not same or status.st_size != len(data) or file.read() != data:
                return False
        os.link(previous, path, follow_symlinks=False)
    except OSError:
        return False
    return True


def _not_through_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def program_file(path: Path) -> bool:
    """Whether a file belongs to a role or collection: neither caches nor an editor's leavings nor tests."""
    return not any(
        part in _UNWANTED or part.startswith(".") or part.endswith(_UNWANTED_ENDINGS) for part in path.parts
    )


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, relative to it, sorted, symbolic links followed; nothing if it is missing."""
    found: list[Path] = []
    for top, _folders, names in os.walk(folder, followlinks=True):
        found += [(Path(top) / name).relative_to(folder) for name in names]
    yield from sorted(found)
