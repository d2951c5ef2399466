"""The partitioned disk of a model, as an image file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.models import Medium, Model
from sugar_deploy.image.outputs import extfs
from sugar_deploy.image.outputs.job import Job
from sugar_deploy.image.outputs.partitions import Partition, partition, rest, whole_cylinders

_TYPES = {"ext2": "83", "ext4": "83", "vfat": "ef"}
"""Of partitions, in the table."""


def medium_of(model: Model, name: str | None) -> Medium:
    """A size that the model's image is made for, by default the smallest; raises UsageError."""
    for medium in sorted(model.media, key=lambda one: one.size):
        if name in (None, medium.name):
            return medium
    known = ", ".join(medium.name for medium in model.media) or "none: its storage has one size"
    raise UsageError(f"{model.name}: no image of the size {name} is made for it", f"Choose one of: {known}")


def begin(job: Job, image: Path) -> dict[str, Partition]:
    """Make an image of the job's disk with its partition table; gives the partitions by where they are mounted."""
    assert job.medium is not None, "a model with partitions has media"
    size = whole_cylinders(job.medium.size)
    partitions = {}
    for one in job.model.partitions:
        kind = _TYPES[one.filesystem]
        if one.sectors is None:
            partitions[one.mount] = rest(size, one.start, kind, is_active=one.active)
        else:
            partitions[one.mount] = Partition(one.start, one.sectors, kind, one.active)
    partition(image, size, tuple(partitions.values()), job.composed.identity("disk"), job.composed.epoch)
    return partitions


def fill(job: Job, mount: str, place: extfs.Place, tree: Path) -> Path:
    """Make the file system that is mounted at MOUNT, with what a tar holds; gives a folder that is not needed now."""
    (one,) = (one for one in job.model.partitions if one.mount == mount)
    shape = extfs.BOOT if one.filesystem == "ext2" else extfs.ROOT
    identity, epoch = job.composed.identity(mount), job.composed.epoch
    is_system = tree == job.composed.tree
    unpacked = job.unpacked if is_system else None
    work = Path(tempfile.mkdtemp(dir=job.work))
    extfs.make(
        place,
        shape,
        tree,
        label=one.label,
        identity=identity,
        epoch=epoch,
        work=work,
        attributes=job.composed.survey.attributes if is_system else None,
        unpacked=unpacked.folder if unpacked else None,
    )
    if unpacked:
        unpacked.drop()
    return work
