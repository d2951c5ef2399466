"""XO-1.5, XO-1.75 and XO-4: the partitioned disk as `.zd` and `.zsp`, and `fsN.zip` where it is signed."""

from __future__ import annotations

import subprocess

from sugar_deploy.errors import DeployError
from sugar_deploy.image.outputs import disk, manifest
from sugar_deploy.image.outputs.boot import boot_tree
from sugar_deploy.image.outputs.job import Job
from sugar_deploy.image.outputs.signing import write_signed

BOOT, ROOT = "/bootpart", "/"


def make(job: Job) -> None:
    """Write NAME.zd, NAME.zsp and, with a signer, fsN.zip. Every block is emitted: nothing stale shows through."""
    try:
        from sugar_deploy.image.zd.writing import write
    except ModuleNotFoundError as error:
        raise DeployError(
            f"the Python package {error.name} is not installed", "pip install 'sugar-deploy[image]'"
        ) from error
    image, target = job.work / "disk.img", job.beside(".zd")
    partitions = disk.begin(job, image)
    used = (
        disk.fill(job, BOOT, partitions[BOOT].place(image), boot_tree(job)),
        disk.fill(job, ROOT, partitions[ROOT].place(image), job.composed.tree),
    )
    former = job.former / target.name
    is_proved = manifest.names(job.former, target.name)
    if is_proved:
        # It got its manifest when it had been checked.
        job.sound.learn(former)
    # Removing ten thousands of files takes the disk long, and the processor hardly anything.
    with subprocess.Popen(["rm", "-rf", "--", *used]):
        write(image, target, previous=former, previous_is_proved=is_proved, progress=job.progress)
    image.unlink()
    bundle = job.model.bundle
    if job.signer and bundle:
        write_signed(job.draft / f"fs{bundle.number}.zip", target.with_suffix(".zsp"), job.signer)
