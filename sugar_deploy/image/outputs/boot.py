"""The boot partition of an XO-1.5, XO-1.75 or XO-4: what its firmware starts the system from.

An unlocked laptop runs `olpc.fth`; a locked one takes the signed bundles, with an empty command line.
"""

from __future__ import annotations

import io
import tarfile
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
    bundle, work = job.model.bundle, job.work
    assert bundle is not None, "a model whose firmware reads a boot partition has a number"
    files = {"olpc.fth": script(job.model), "olpc_build": f"{job.name}\n".encode()}
    for name in ("vmlinuz", "initrd.img"):
        files[name] = file_in(job.composed.tree, f"/boot/{name}")
    if faults := kernel_faults(files["vmlinuz"], (bundle,)):
        raise UsageError(f"the image's /boot/vmlinuz {faults[0]}", "Compose it with a kernel for this model")
    links = {"boot": ".", "boot-alt": "boot"}
    if job.signer:
        for kind, name in (("runos", "vmlinuz"), ("runrd", "initrd.img")):
            (work / name).write_bytes(files[name])
            target = work / f"{kind}{bundle.number}.zip"
            write_signed(target, work / name, job.signer)
            files[target.name] = target.read_bytes()
        links |= {f"{alias}{bundle.number}.zip": f"{kind}{bundle.number}.zip" for alias, kind in _SAME.items()}
    return _packed(files, links, job.composed.epoch, work / "boot.tar")


def _packed(files: dict[str, bytes], links: dict[str, str], epoch: int, target: Path) -> Path:
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in FOLDERS:
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
