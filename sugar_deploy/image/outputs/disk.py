"""The partitioned disk of a model, as an image file."""

from __future__ import annotations

import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.models import Medium, Model
from sugar_deploy.image.models import Partition as ModelPartition
from sugar_deploy.image.outputs import extfs
from sugar_deploy.image.outputs.debugfs import Place
from sugar_deploy.image.outputs.job import Job
from sugar_deploy.image.outputs.kept import KeptFilesystem
from sugar_deploy.image.outputs.overlay import laid
from sugar_deploy.image.outputs.partitions import Partition, partition, rest, whole_cylinders
from sugar_deploy.image.outputs.programs import run
from sugar_deploy.image.survey.survey import Attribute
from sugar_deploy.image.zd.source import Inset

ROOT = "/"
_TYPES = {"ext2": "83", "ext4": "83", "vfat": "ef"}
"""Of partitions, in the table."""


def medium_of(model: Model, name: str | None) -> Medium:
    """A size that the model's image is made for, by default the smallest; raises UsageError."""
    for medium in sorted(model.media, key=lambda one: one.size):
        if name in (None, medium.name):
            return medium
    known = ", ".join(medium.name for medium in model.media) or "none: its storage has one size"
    raise UsageError(f"{model.name}: no image of the size {name} is made for it", f"Choose one of: {known}")


class Disk:
    """The image of a job's disk, which is filled partition by partition; the system's has a file of its own.

    That file system as the stages made it, without the deployer's settings, is kept for the next image if the job
    says where; it may be there already.
    """

    def __init__(self, job: Job) -> None:
        assert job.medium is not None, "a model with partitions has media"
        size = whole_cylinders(job.medium.size)
        self.image = job.work / "disk.img"
        self._job, self._used = job, list[Path]()
        self._models = {one.mount: one for one in job.model.partitions}
        table = {mount: _in_table(one, size) for mount, one in self._models.items()}
        self.places = {mount: one.place(self.image) for mount, one in table.items()}
        """Where the file systems are, by where they are mounted."""
        partition(self.image, size, tuple(table.values()), job.composed.identity("disk"), job.composed.epoch)

    def fill(self, mount: str, tree: Path) -> None:
        """Make the file system that is mounted at MOUNT, with what a small tar holds."""
        self._fill(self.places[mount], mount, tree, self._job.composed.identity(mount))

    @contextmanager
    def system(self) -> Iterator[Inset]:
        """Within, the system with its settings is in a file, which stands in the image's place."""
        job, (start, size) = self._job, (self.places[ROOT].offset, self.places[ROOT].size)
        place, kept = Place(job.work / "system.img", 0, size), self._store()
        if not (kept and kept.take(place.image)):
            self._fill_system(place)
            if kept:
                kept.prove(place.image)
        settings: AbstractContextManager[None] = nullcontext()
        if job.composed.settings:
            settings = laid(place, job.composed.settings, epoch=job.composed.epoch, work=self._work())
        # Removing ten thousands of files takes the disk long, and the processor hardly anything.
        with subprocess.Popen(["rm", "-rf", "--", *self._used]), settings:
            yield Inset(place.image, start)
        if kept:
            kept.keep(place.image)

    def _fill_system(self, place: Place) -> None:
        composed, unpacked = self._job.composed, self._job.unpacked
        identity, attributes = composed.base_identity(ROOT), composed.survey.base_attributes
        with place.image.open("wb") as file:
            file.truncate(place.size)
        self._fill(place, ROOT, composed.tree, identity, attributes, unpacked.folder if unpacked else None)
        if unpacked:
            unpacked.drop()

    def _fill(
        self,
        place: Place,
        mount: str,
        tree: Path,
        identity: uuid.UUID,
        attributes: Callable[[], Iterable[Attribute]] | None = None,
        unpacked: Path | None = None,
    ) -> None:
        one, work = self._models[mount], self._work()
        self._used.append(work)
        extfs.make(
            place,
            _shape(one),
            tree,
            label=one.label,
            identity=identity,
            epoch=self._job.composed.epoch,
            work=work,
            attributes=attributes,
            unpacked=unpacked,
        )

    def _store(self) -> KeptFilesystem | None:
        job, one = self._job, self._models[ROOT]
        if job.kept is None:
            return None
        version = run(["dumpe2fs", "-V"], epoch=job.composed.epoch).complaints
        told = (one.label, self.places[ROOT].size, _shape(one), job.composed.base_identity(ROOT), version)
        return KeptFilesystem(job.kept, "\n".join(map(repr, told)))

    def _work(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._job.work))


def _in_table(one: ModelPartition, size: int) -> Partition:
    kind = _TYPES[one.filesystem]
    if one.sectors is None:
        return rest(size, one.start, kind, is_active=one.active)
    return Partition(one.start, one.sectors, kind, one.active)


def _shape(one: ModelPartition) -> extfs.Shape:
    return extfs.BOOT if one.filesystem == "ext2" else extfs.ROOT
