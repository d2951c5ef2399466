"""What an XO's firmware starts the system from: a boot partition, or the folder /boot of an XO-1 that has none.

An unlocked laptop runs `olpc.fth`; a locked one takes the signed bundles, with an empty command line.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.contents import kernel_faults
from sugar_deploy.image.models import Model
from sugar_deploy.image.outputs.composed import file_in
from sugar_deploy.image.outputs.job import Job
from sugar_deploy.image.outputs.signing import write_signed
from sugar_deploy.resources import resource

FOLDERS = ("runin", "security", "security/state")
"""The system and the firmware write there, and make none of them themselves."""
_KINDS = {"runos": "vmlinuz", "runrd": "initrd.img"}
_SAME = {"actos": "runos", "actrd": "runrd"}
"""The ramdisk tells by the name from which it was started whether it is to activate: one file does for both."""


def script(model: Model) -> bytes:
    """`olpc.fth`."""
    template = (resource("image") / "boot" / "olpc.fth.j2").read_text("utf-8")
    words = (*(f"console={console}" for console in model.console), "fbcon=font:SUN12x22")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - Forth, not HTML
    return environment.from_string(template).render(title=model.title, command_line=" ".join(words)).encode("ascii")


def boot_tree(job: Job) -> Path:
    """A tar of the boot partition's content. Raises UsageError where the firmware would not start it."""
    started = _started(job)
    files, links = _added(job, started)
    return packed(job, "boot.tar", FOLDERS, files | started, links | {"boot": ".", "boot-alt": "boot"})


def boot_folder(job: Job) -> Path:
    """A tar of what a system without a boot partition needs over what was composed: it has its kernel in /boot."""
    files, links = _added(job, _started(job))
    return packed(
        job,
        "boot.tar",
        (".", "boot", *FOLDERS),
        {f"boot/{name}": content for name, content in files.items()},
        {f"boot/{name}": to for name, to in links.items()} | {"boot-alt": "boot"},
    )


def _started(job: Job) -> dict[str, bytes]:
    """Kernel and ramdisk."""
    assert job.model.bundle is not None, "a model that firmware of OLPC's starts has a number"
    files = {name: file_in(job.composed.tree, f"/boot/{name}") for name in _KINDS.values()}
    if faults := kernel_faults(files["vmlinuz"], (job.model.bundle,)):
        raise UsageError(f"the image's /boot/vmlinuz {faults[0]}", "Compose it with a kernel for this model")
    return files


def _added(job: Job, started: dict[str, bytes]) -> tuple[dict[str, bytes], dict[str, str]]:
    """What lies beside kernel and ramdisk for the firmware: files, and links by their names."""
    files = {"olpc.fth": script(job.model), "olpc_build": f"{job.name}\n".encode()}
    if not job.signer or not job.model.bundle:
        return files, {}
    number = job.model.bundle.number
    for kind, name in _KINDS.items():
        (job.work / name).write_bytes(started[name])
        target = job.work / f"{kind}{number}.zip"
        write_signed(target, job.work / name, job.signer)
        files[target.name] = target.read_bytes()
    return files, {f"{alias}{number}.zip": f"{kind}{number}.zip" for alias, kind in _SAME.items()}


def packed(
    job: Job, called: str, folders: Sequence[str], files: Mapping[str, bytes], links: Mapping[str, str] = {}
) -> Path:
    """A tar in the job's work folder, all of it root's and of the system's time.

    A folder into which something is unpacked takes the time of that: FOLDERS name those that are there already, too.
    """
    target, epoch = job.work / called, job.composed.epoch
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in folders:
            archive.addfile(_member(name, epoch, tarfile.DIRTYPE, 0o755))
        for name, content in sorted(files.items()):
            member = _member(name, epoch, tarfile.REGTYPE, 0o644)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, to in sorted(links.items()):
            member = _member(name, epoch, tarfile.SYMTYPE, 0o777)
            member.linkname = to
            archive.addfile(member)
    return target


def _member(name: str, epoch: int, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = kind, mode, epoch
    return member
