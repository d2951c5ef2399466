"""What an earlier run, finished or not, has left on a stick: what is right stays, all else goes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.device import read_chunks, told
from sugar_deploy.bundle.layout import MARK, UNLISTED, Layout
from sugar_deploy.bundle.parts import Piece
from sugar_deploy.bundle.watch import Watch
from sugar_deploy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Survey:
    """What is on the stick, compared with what shall be there."""

    right: frozenset[str]
    """Paths of pieces that are there, proved byte by byte."""
    stale: tuple[Path, ...]
    """Files that are wrong, half written, or belong to no piece."""


def refuse_foreign(layout: Layout) -> None:
    """Raise UsageError if what would be overwritten was not written by us."""
    if layout.mark.is_file():
        return
    if layout.folder.exists() and (not layout.folder.is_dir() or _holds_others(layout.folder)):
        raise UsageError(
            f"{layout.folder} is not a bundle (it has no {MARK}): not touching it",
            "Name another folder, or move it away",
        )
    for path in (layout.install, layout.readme):
        if path.exists():
            raise UsageError(f"{path} is not ours: not overwriting it", "Name another folder, or move it away")


def _holds_others(folder: Path) -> bool:
    """Whether there is more than the mark, which a run that was killed at once may have left half written."""
    return any(path.name != draft_name(MARK) for path in folder.iterdir())


def draft_name(name: str) -> str:
    """What a small file is called while it is written."""
    return f"{name}.part"


def present(layout: Layout) -> dict[str, int]:
    """Every file of the bundle's folder with its size; links count as files."""
    return {path.relative_to(layout.folder).as_posix(): path.lstat().st_size for path in _walk(layout.folder)}


def survey(layout: Layout, pieces: Iterable[Piece], watch: Watch) -> Survey:
    """Compare every file on the stick with the piece of its name."""
    wanted: Mapping[str, Piece] = {piece.path: piece for piece in pieces}
    with told(layout.root):
        there = present(layout)
    likely = [path for path, size in there.items() if path in wanted and wanted[path].size == size]
    watch.begin("Comparing what is there already", sum(wanted[path].size for path in likely))
    right = frozenset(path for path in likely if is_right(layout, wanted[path], watch))
    stale = sorted(there.keys() - right - UNLISTED)
    return Survey(right, tuple(layout.file(path) for path in stale))


def is_right(layout: Layout, piece: Piece, watch: Watch) -> bool:
    """Whether the stick gives back a piece's bytes; reads them from the device."""
    path = layout.file(piece.path)
    total = hashlib.sha256()
    with told(layout.root):
        if path.is_symlink() or not path.is_file():
            return False
        try:
            for chunk in read_chunks(path):
                total.update(chunk)
                watch.advance(len(chunk))
        except FileNotFoundError:
            return False
    return total.hexdigest() == piece.sha256


def remove_stale(layout: Layout, stale: Iterable[Path]) -> None:
    """Remove files, and the folders that this empties."""
    with told(layout.root):
        for path in stale:
            path.unlink(missing_ok=True)
        for parent, _folders, _files in os.walk(layout.folder, topdown=False):
            folder = Path(parent)
            if folder != layout.folder and not any(folder.iterdir()):
                folder.rmdir()


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in files:
            yield Path(parent) / name
        for name in folders:
            if (Path(parent) / name).is_symlink():
                yield Path(parent) / name
