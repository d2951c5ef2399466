"""XO-1: JFFS2 as `.img` and `.crc`, or UBIFS as `.onu` and `.uim`; and `fs0.zip` where it is signed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.image.models import XO_BOOT, Nand, NandFilesystem
from sugar_deploy.image.nand.writing import Part, script, write_checksums
from sugar_deploy.image.outputs.boot import boot_folder, boot_tree, packed
from sugar_deploy.image.outputs.composed import file_in
from sugar_deploy.image.outputs.flashfs import TooLarge, Tree, jffs2, ubi
from sugar_deploy.image.outputs.job import Job
from sugar_deploy.image.outputs.signing import write_signed
from sugar_deploy.image.survey import sizes

_KEPT_BY_JFFS2 = 5
"""Erase blocks that the kernel needs empty before it writes anything."""
_OWN = "etc/sugar-xo-boot"


def make(job: Job) -> None:
    """Write the files of the job's file system. Raises DeployError where it does not fit, with what fills it."""
    assert job.model.nand is not None, "a model that is flashed as NAND has some"
    if job.unpacked:
        # The programs for NAND see a tree of their own.
        job.unpacked.drop()
    with tempfile.TemporaryDirectory(dir=job.work) as work:
        if job.filesystem is NandFilesystem.JFFS2:
            spec = _jffs2(job, job.model.nand, Path(work))
        else:
            spec = _ubifs(job, job.model.nand, Path(work))
    if job.signer and job.model.bundle:
        write_signed(job.draft / f"fs{job.model.bundle.number}.zip", spec, job.signer)


def _jffs2(job: Job, nand: Nand, work: Path) -> Path:
    image, limit = job.beside(".img"), nand.blocks - nand.spare_blocks - _KEPT_BY_JFFS2
    tars = (*job.composed.trees, boot_folder(job), *_mounts(job, "mtd0 / jffs2 defaults 0 0"))
    tree = Tree(tars, job.composed.identity("/"), job.composed.epoch, work, job.composed.survey.attributes())
    jffs2(image, tree, nand)
    blocks = image.stat().st_size // nand.erase_block
    if blocks > limit:
        raise _too_large(job, nand, blocks, limit)
    write_checksums(image)
    spec = job.work / "spec"
    spec.write_bytes(script(image, (Part("", blocks, nand.blocks, is_jffs2=True),), job.progress))
    return spec


def _ubifs(job: Job, nand: Nand, work: Path) -> Path:
    boot, root, data = work / "boot", work / "root", job.beside(".uim")
    for name in ("for-boot", "for-root"):
        (work / name).mkdir()
    epoch = job.composed.epoch
    jffs2(boot, Tree((boot_tree(job),), job.composed.identity("/bootpart"), epoch, work / "for-boot"), nand)
    held, limit = boot.stat().st_size // nand.erase_block, nand.boot_blocks - _KEPT_BY_JFFS2
    if held > limit:
        raise DeployError(
            f"kernel and ramdisk take {_megabytes(held, nand)} of {job.model.title}'s boot partition, which has room "
            f"for {_megabytes(limit, nand)}",
            "Give boot_blocks of the model more, or compose it with a smaller kernel",
        )
    mounts = _mounts(job, "ubi0:rootfs / ubifs defaults 0 0", "mtd:boot /bootpart jffs2 nofail 0 0")
    tars = (*job.composed.trees, *mounts, *_attributes(job))
    tree = Tree(tars, job.composed.identity("/"), epoch, work / "for-root", job.composed.survey.attributes())
    try:
        ubi(root, tree, nand, nand.system_blocks)
    except TooLarge as error:
        raise _too_large(job, nand, error.blocks, nand.system_blocks) from error
    with data.open("wb") as target:
        for part in (boot, root):
            with part.open("rb") as source:
                shutil.copyfileobj(source, target)
    written = root.stat().st_size // nand.erase_block
    parts = (Part("boot", held, nand.boot_blocks, is_jffs2=True), Part("system", written, -1, is_jffs2=False))
    spec = job.beside(".onu")
    spec.write_bytes(script(data, parts, job.progress))
    return spec


def _mounts(job: Job, *lines: str) -> tuple[Path, ...]:
    """A tar of the fstab that the system needs: without it the root stays read-only. None where it has one."""
    try:
        there = file_in(job.composed.tree, "/etc/fstab").decode("utf-8", "replace")
    except UsageError:
        there = ""
    if any(line.strip() and not line.startswith("#") for line in there.split("\n")):
        return ()
    content = "".join(f"{line}\n" for line in ("# By what the image's NAND holds.", *lines)).encode("ascii")
    places = [line.split()[1].lstrip("/") for line in lines[1:]]
    return (packed(job, "mounts.tar", (".", "etc", *places), {"etc/fstab": content}),)


def _attributes(job: Job) -> tuple[Path, ...]:
    """A tar of the list by which the system, at its first start, gives files what UBIFS' maker omits of them.

    None where there is nothing of that, or where the system has not the package for it. The manifest tells of each.
    """
    can = XO_BOOT in (package["name"] for package in job.composed.packages)
    lines = []
    for path, name, value in sorted(job.composed.survey.attributes()):
        if name.startswith("system."):
            job.notes.append(f"{path}: {name} is left out: UBIFS has none")
        elif can:
            job.notes.append(f"{path}: {name} comes at the first start: mkfs.ubifs takes none")
            lines.append(f"{name} {value.hex()} {path}\n")
        else:
            job.notes.append(f"{path}: {name} is left out: mkfs.ubifs takes none")
    if not lines:
        return ()
    content = "".join(lines).encode("utf-8", "surrogateescape")
    return (packed(job, "attributes.tar", (".", "etc", _OWN), {f"{_OWN}/attributes": content}),)


def _megabytes(blocks: int, nand: Nand) -> str:
    return f"{blocks * nand.erase_block / 2**20:.0f} MiB ({blocks} erase blocks)"


def _too_large(job: Job, nand: Nand, blocks: int, limit: int) -> DeployError:
    filling = "\n".join(sizes.shown(sizes.measured(*job.composed.trees)))
    return DeployError(
        f"the system takes {_megabytes(blocks, nand)} of {job.model.title}'s NAND, which has room for "
        f"{_megabytes(limit, nand)}. What fills it:\n{filling}",
        "Leave packages out, the largest ones first",
    )
