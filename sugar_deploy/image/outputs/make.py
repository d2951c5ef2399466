"""From a composed image to the files that its model flashes or starts from: a whole folder of them, or none."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.image.compose.running import Unpacked
from sugar_deploy.image.models import Flow, Medium, Model, NandFilesystem
from sugar_deploy.image.outputs import composed as composition
from sugar_deploy.image.outputs import disk, manifest, nand, pc, zd_disk
from sugar_deploy.image.outputs.job import Job, Progress
from sugar_deploy.image.outputs.signing import Signer
from sugar_deploy.image.space import room_on_disk
from sugar_deploy.image.survey import listing
from sugar_deploy.image.survey.survey import Survey
from sugar_deploy.image.verification import verified
from sugar_deploy.image.zd.checking import Sound
from sugar_deploy.render.swap import replacing

MAKERS = {Flow.ZD: zd_disk.make, Flow.NAND: nand.make, Flow.DISK: pc.make}
_CHECKED = {Flow.ZD: (".zd", ".zip"), Flow.NAND: (".img", ".onu", ".zip"), Flow.DISK: ()}
_NAME = re.compile(r"[a-z0-9]{1,8}")


def default_name(model: Model, medium: Medium | None) -> str:
    """What an image's files are called: few enough characters for the firmware's view of FAT."""
    size = medium.name.removesuffix("gb") if medium else ""
    return f"sugar{'' if model.number is None else model.number}{size}"[:8]


def planned(
    model: Model, size: str | None, name: str | None, filesystem: NandFilesystem | None = None
) -> tuple[Medium | None, str, NandFilesystem | None]:
    """The medium that an image is made for, its files' name, and NAND's file system.

    Raises UsageError for what is not made.
    """
    if model.nand is None and filesystem:
        raise UsageError(f"{model.name} has no raw NAND: nobody chooses its file system", "Leave --filesystem out")
    medium = disk.medium_of(model, size) if model.media else None
    called = name or default_name(model, medium)
    if not _NAME.fullmatch(called):
        raise UsageError(
            f"{called} is no name for an image: on FAT the firmware sees 8 small letters and digits at most",
            f"As {default_name(model, medium)}",
        )
    return medium, called, filesystem or (model.nand.filesystem if model.nand else None)


def make(
    folder: Path,
    model: Model,
    out: Path,
    *,
    size: str | None = None,
    name: str | None = None,
    filesystem: NandFilesystem | None = None,
    signer: Signer | None = None,
    progress: Progress = lambda done, total: None,
    sound: Sound | None = None,
    survey: Survey | None = None,
    unpacked: Unpacked | None = None,
    kept: Path | None = None,
) -> Path:
    """Make the image of FOLDER, which `image build` composed, for a model; OUT, a folder, is replaced as a whole.

    Without a signer it is for unlocked laptops. To SOUND are added the blocks that were checked. SURVEY is of the
    system, if that was read before, UNPACKED its tree, which is used up, and KEPT a folder where what is made of it
    may be kept. Raises DeployError, and then OUT is as it was.
    """
    if (meant := composition.model_name(folder)) != model.name:
        raise UsageError(f"{folder} was composed for {meant}, not {model.name}", "Compose it anew")
    medium, called, kind = planned(model, size, name, filesystem)
    composed = composition.read(folder, survey)
    sound = Sound() if sound is None else sound
    with (
        room_on_disk(out.resolve().parent, "Make room there, or name a folder on a larger disk with -o"),
        replacing(out, manifest.NAME, "an image") as (draft, former),
    ):
        job = Job(model, medium, composed, called, signer, draft, former, progress, kind, sound, unpacked, kept)
        job.work.mkdir()
        # What only tells of the system is written while others' programs work, and the manifest's hashes are taken
        # while what they are of is verified.
        with ThreadPoolExecutor(2, thread_name_prefix="telling") as beside:
            told = beside.submit(_tell, job)
            _made(job)
            shutil.rmtree(job.work)
            for file in _checked(job):
                beside.submit(job.sound.sha256, file)
            _require_sound(job)
            told.result()
        manifest.describe(job)
        draft.chmod(0o755)
    return out


def _tell(job: Job) -> None:
    manifest.write_bill(job.model, job.composed, job.draft)
    listing.write(job.composed.survey.files(), job.draft)


def _made(job: Job) -> None:
    """Make the model's files of a system that is what was composed."""
    try:
        MAKERS[job.model.flow](job)
    except Exception:
        # Where the system is damaged, that is why, whatever stumbled over it.
        job.composed.prove()
        raise
    job.composed.prove()


def _checked(job: Job) -> list[Path]:
    return [file for file in sorted(job.draft.iterdir()) if file.suffix in _CHECKED[job.model.flow]]


def _require_sound(job: Job) -> None:
    """Read all that the firmware will read as it does, before anybody carries it to a school."""
    keys = job.signer.keys if job.signer else ()
    for file in _checked(job):
        (report,) = verified(file, keys, sound=job.sound).values()
        if not report.ok:
            raise DeployError(f"{file.name}, just written, breaks the firmware's rules: {report.errors[0]}")
