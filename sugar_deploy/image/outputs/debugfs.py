"""A file system within an image file, changed by debugfs: no root, no mounting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.outputs.programs import run

_HARMLESS = re.compile(r"debugfs \d|rm: File not found by ext2_lookup")
"""Its first line, which is its version; and a file that is to be removed may not be there."""
_FULL = ("Could not allocate", "No space left in")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an image file the file system is to be: offset and size in bytes."""

    image: Path
    offset: int
    size: int

    @property
    def address(self) -> str:
        """As programs of e2fsprogs take it."""
        return f"{self.image}?offset={self.offset}" if self.offset else str(self.image)


def debugfs(place: Place, lines: Iterable[str], epoch: int, options: Sequence[str] = ()) -> None:
    """Run LINES, which may remove files that are not there; raises DeployError with what could not be done."""
    argv = ["debugfs", "-w", *options, "-f", "-", place.address]
    said = run(argv, epoch=epoch, stdin="".join(f"{line}\n" for line in lines))
    # It goes on after what it cannot do, and ends as if all were well.
    complaints = [line for line in said.complaints.split("\n") if line and not _HARMLESS.match(line)]
    if complaints:
        raise DeployError("debugfs could not finish the file system: " + "\n".join(complaints))


def quoted(path: str) -> str:
    """A path as debugfs takes it; one with a line break cannot be told it."""
    return '"' + path.replace('"', '""') + '"'


def is_full(error: DeployError) -> bool:
    """Whether it is the file system within the image that has no room."""
    return any(words in error.message for words in _FULL)
