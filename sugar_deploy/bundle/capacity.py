"""Makes a bundle fit: leaves out what is optional, or tells what is missing and what would help. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sugar_deploy.bundle.filesystem import MIB, Filesystem
from sugar_deploy.bundle.layout import FOLDER
from sugar_deploy.bundle.parts import OPTIONAL, Piece, sizes
from sugar_deploy.errors import DeployError

MARGIN = MIB
"""Left free, for what a filesystem needs besides what can be computed."""

_FOR_PEOPLE = 64 * 1024
"""install.sh, README.txt, key, signature and mark, together."""

_ALTERNATIVES = 6


class TooLarge(DeployError):
    """The bundle does not fit, even without its optional parts."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What goes onto the stick after all."""

    pieces: tuple[Piece, ...]
    left_out: tuple[str, ...]
    """Optional parts for which there was no room."""
    room: int
    """Bytes that all of it takes on the stick."""


def fit(
    pieces: Sequence[Piece],
    extra: int,
    filesystem: Filesystem,
    alternatives: Callable[[], Iterable[tuple[str, Sequence[Piece]]]],
) -> Fit:
    """Leave out optional parts, one after another, until the rest fits; raises TooLarge where it cannot.

    EXTRA is the size of what comes besides: the manifest. `alternatives` gives options and what they would write.
    """
    kept = tuple(pieces)
    left_out: list[str] = []
    for part in (*OPTIONAL, None):
        room = needed(kept, extra, filesystem)
        if not _lacking(kept, room, filesystem):
            return Fit(kept, tuple(left_out), room)
        if part is not None and any(piece.part == part for piece in kept):
            kept = tuple(piece for piece in kept if piece.part != part)
            left_out.append(part)
    helpful = []
    for option, others in alternatives():
        required = tuple(piece for piece in others if piece.part not in OPTIONAL)
        other = needed(required, extra, filesystem)
        if not _lacking(required, other, filesystem):
            helpful.append((other, option))
    raise _too_large(kept, room, filesystem, [option for _, option in sorted(helpful, reverse=True)])


def needed(pieces: Sequence[Piece], extra: int, filesystem: Filesystem) -> int:
    """What these files take on the stick, and the manifest, and what is there for people."""
    files = [(f"{FOLDER}/{piece.path}", piece.size) for piece in pieces]
    return filesystem.room([*files, (f"{FOLDER}/MANIFEST.json", extra), ("README.txt", _FOR_PEOPLE)]) + MARGIN


def _lacking(pieces: Sequence[Piece], room: int, filesystem: Filesystem) -> bool:
    files = len(pieces) + len({piece.path.rpartition("/")[0] for piece in pieces}) * 2 + 20
    return room > filesystem.free or (filesystem.free_files is not None and files > filesystem.free_files)


def _too_large(pieces: Sequence[Piece], room: int, filesystem: Filesystem, helpful: Sequence[str]) -> TooLarge:
    rows = "\n".join(f"  {human(size):>9}  {part}" for part, size in sizes(pieces).items())
    if room > filesystem.free:
        lack = f"{human(room - filesystem.free)} are missing ({human(room)} needed, {human(filesystem.free)} there)"
    else:
        lack = f"its filesystem has room for only {filesystem.free_files} more files"
    if helpful:
        choices = "What would fit:\n" + "\n".join(f"  {option}" for option in helpful[:_ALTERNATIVES])
    else:
        choices = "No choice of suites, architectures or former snapshots would fit: take a larger stick"
    return TooLarge(f"the bundle does not fit: {lack}", f"What takes the room:\n{rows}\n{choices}")


def human(size: float) -> str:
    """A size as people read it."""
    for unit in ("B", "KiB", "MiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
