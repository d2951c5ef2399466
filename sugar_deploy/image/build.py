"""From a deployment to all that a model needs: its composed system, what is flashed, and a stick that flashes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from sugar_deploy.folder import Folder
from sugar_deploy.image.compose import Composed, composing
from sugar_deploy.image.compose.build import RECIPE
from sugar_deploy.image.compose.server import ClassServer
from sugar_deploy.image.compose.source import Source
from sugar_deploy.image.media.layout import Wanted, places
from sugar_deploy.image.media.write import write_image
from sugar_deploy.image.models import Flow, Model, NandFilesystem
from sugar_deploy.image.outputs import manifest
from sugar_deploy.image.outputs.job import Progress
from sugar_deploy.image.outputs.make import make, planned
from sugar_deploy.image.outputs.signing import Signer
from sugar_deploy.image.zd.checking import Sound
from sugar_deploy.scenario.plan import Plan

SYSTEM, OUTPUT, STICK = "system", "output", "stick.img"
"""What is below a model's folder: the composed system, what its firmware flashes, a whole USB stick."""
_NONE: AbstractContextManager[ClassServer | None] = nullcontext()
_MARKS = {SYSTEM: RECIPE, OUTPUT: manifest.NAME}


def part_of(folder: Path, *names: str) -> Path:
    """The first of these parts that `image build` made below FOLDER; FOLDER itself where it made none."""
    return next((folder / name for name in names if (folder / name / _MARKS[name]).is_file()), folder)


@dataclass(frozen=True, slots=True)
class Finish:
    """How a composed system becomes files: the medium's size, the files' name, NAND's file system, and who signs."""

    size: str | None = None
    name: str | None = None
    filesystem: NandFilesystem | None = None
    signer: Signer | None = None
    progress: Progress = lambda done, total: None


@dataclass(slots=True)
class Built:
    """What was made, where, and how long each part of it took (seconds)."""

    composed: Composed
    output: Path | None = None
    stick: Path | None = None
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def build(
    folder: Folder,
    plan: Plan,
    model: Model,
    target: Path,
    say: Callable[[str], None],
    *,
    suite: str | None = None,
    source: Source | None = None,
    server: AbstractContextManager[ClassServer | None] = _NONE,
    finish: Finish | None = None,
) -> Built:
    """Compose a model's system into TARGET/system; to FINISH it is to make of it TARGET/output and TARGET/stick.img.

    SOURCE is another one than the snapshot that is published here; the laptop becomes SERVER, which is put together
    when all else is known to be possible.

    All that is made is verified by the firmware's rules. Raises UsageError before the long work for what cannot be
    made, else DeployError; what was made before stays then, and the next call carries on.
    """
    if finish:
        planned(model, finish.size, finish.name, finish.filesystem)
    started = time.monotonic()
    place = target / SYSTEM
    with (
        server as carried,
        composing(folder, plan, model, place, say, suite=suite, source=source, server=carried) as composed,
    ):
        built = Built(composed)
        built.seconds[SYSTEM] = time.monotonic() - started
        if finish:
            complete(built, model, target, say, finish)
    return built


def complete(
    built: Built,
    model: Model,
    target: Path,
    say: Callable[[str], None],
    finish: Finish,
) -> None:
    """Make of a composed system what is flashed, and a stick of that; a PC's disk is a whole medium itself."""
    say(f"Making and verifying what {model.title} is flashed with")
    started = time.monotonic()
    sound, composed = Sound(), built.composed
    built.output = make(
        composed.folder,
        model,
        target / OUTPUT,
        size=finish.size,
        name=finish.name,
        filesystem=finish.filesystem,
        signer=finish.signer,
        progress=finish.progress,
        sound=sound,
        survey=composed.made.survey,
        unpacked=composed.made.unpacked,
        kept=composed.made.tree.parent,
    )
    built.seconds[OUTPUT] = time.monotonic() - started
    if model.flow is Flow.DISK:
        return
    say("Making and verifying a USB stick of it")
    started = time.monotonic()
    built.stick = target / STICK
    keys = finish.signer.keys if finish.signer else ()
    built.warnings = write_image(places(Wanted((built.output,)), sound.sha256), built.stick, keys, sound=sound)
    built.seconds[STICK] = time.monotonic() - started
