"""XO-1.5, XO-1.75 and XO-4: the partitioned disk as `.zd` and `.zsp`, and `fsN.zip` where it is signed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.outputs import disk, manifest
from sugar_deploy.image.outputs.boot import boot_tree
from sugar_deploy.image.outputs.job import Job
from sugar_deploy.image.outputs.signing import write_signed

BOOT = "/bootpart"


def make(job: Job) -> None:
    """Write NAME.zd, NAME.zsp and, with a signer, fsN.zip. Every block is emitted: nothing stale shows through."""
    try:
        from sugar_deploy.image.zd.writing import write
    except ModuleNotFoundError as error:
        raise DeployError(
            f"the Python package {error.name} is not installed", "pip install 'sugar-deploy[image]'"
        ) from error
    target = job.beside(".zd")
    former = job.former / target.name
    with ThreadPoolExecutor(1, thread_name_prefix="former") as beside:
        learned = beside.submit(_learn, job, former)
        drawn = disk.Disk(job)
        drawn.fill(BOOT, boot_tree(job))
        with drawn.system() as inset:
            write(
                drawn.image,
                target,
                inset=inset,
                previous=former,
                previous_is_proved=learned.result(),
                progress=job.progress,
            )
    bundle = job.model.bundle
    if job.signer and bundle:
        write_signed(job.draft / f"fs{bundle.number}.zip", target.with_suffix(".zsp"), job.signer)


def _learn(job: Job, former: Path) -> bool:
    """Whether the former file is as its manifest says: it got that when it had been checked, and is sound."""
    is_proved = manifest.names(job.former, former.name)
    if is_proved:
        job.sound.learn(former)
    return is_proved
