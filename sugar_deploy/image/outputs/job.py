"""One image that is being made: of what, for what, and where its files go until all of them are whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sugar_deploy.image.compose.running import Unpacked
from sugar_deploy.image.models import Medium, Model, NandFilesystem
from sugar_deploy.image.outputs.composed import Composed
from sugar_deploy.image.outputs.signing import Signer
from sugar_deploy.image.zd.checking import Sound

Progress = Callable[[int, int], None]
"""Told blocks of 128 KiB that are done, and in all."""


@dataclass(frozen=True, slots=True)
class Job:
    """Its files are called NAME and an ending. FORMER is where the last one of this kind is, if there is one."""

    model: Model
    medium: Medium | None
    composed: Composed
    name: str
    signer: Signer | None
    draft: Path
    former: Path
    progress: Progress
    filesystem: NandFilesystem | None = None
    sound: Sound = field(default_factory=Sound)
    """Blocks that the check of this image, or of the former one, has seen."""
    unpacked: Unpacked | None = None
    """The system's tree, where it is at hand; it is used up."""
    kept: Path | None = None
    """The folder where what is made of the system without its settings may be kept for the next image."""
    notes: list[str] = field(default_factory=list)
    """What the manifest tells of it besides."""

    @property
    def work(self) -> Path:
        """For what is not delivered."""
        return self.draft / ".work"

    def beside(self, ending: str) -> Path:
        """One of the image's files."""
        return self.draft / f"{self.name}{ending}"
