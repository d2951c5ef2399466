"""What lets a PC start from the disk: GRUB for the BIOS in the gap before the first partition, and for UEFI in a FAT.

The BIOS's first stage takes what it loads from the sectors behind it, which is how grub-mkimage lays its image out:
it needs no installing, and so no device and no root.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.image.outputs import disk
from sugar_deploy.image.outputs.debugfs import Place
from sugar_deploy.image.outputs.job import Job
from sugar_deploy.image.outputs.partitions import SECTOR
from sugar_deploy.image.outputs.programs import run

MODULES = Path("/usr/lib/grub")
BIOS = "i386-pc"
UEFI = {"x86_64-efi": "BOOTX64.EFI", "i386-efi": "BOOTIA32.EFI"}
_PACKAGES = {BIOS: "grub-pc-bin", "x86_64-efi": "grub-efi-amd64-bin", "i386-efi": "grub-efi-ia32-bin"}
_COMMON = ("part_msdos", "ext2", "search_fs_uuid", "linux", "all_video", "echo", "sleep", "reboot")
_CODE_BYTES = 440
"""Of the first sector; behind them are the disk's identity and the table."""


def starting(root: uuid.UUID, console: tuple[str, ...]) -> str:
    """GRUB's commands: what /boot/vmlinuz and /boot/initrd.img of the root file system are is the system's matter."""
    words = " ".join((f"root=UUID={root}", "ro", *(f"console={one}" for one in console)))
    return (
        f"search.fs_uuid {root} root\n"
        f"linux ($root)/boot/vmlinuz {words}\n"
        "initrd ($root)/boot/initrd.img\n"
        "boot\n"
        "echo The system could not be started. Trying again in 30 seconds.\n"
        "sleep 30\n"
        "reboot\n"
    )


def _grub(platform: str, commands: Path, prefix: str, target: Path, epoch: int) -> bytes:
    folder = MODULES / platform
    if not folder.is_dir():
        raise DeployError(f"GRUB for {platform} is not installed", f"sudo apt install {_PACKAGES[platform]}")
    disk = ("biosdisk",) if platform == BIOS else ()
    options = ("-d", str(folder), "-O", platform, "-c", str(commands), "-p", prefix, "-o", str(target))
    run(["grub-mkimage", *options, *_COMMON, *disk], epoch=epoch)
    return target.read_bytes()


def install_bios(image: Path, first: int, commands: Path, work: Path, epoch: int) -> None:
    """Write GRUB for the BIOS before the partition that begins at the sector FIRST."""
    core = _grub(BIOS, commands, "/boot/grub", work / "core.img", epoch)
    if len(core) > (first - 1) * SECTOR:
        raise UsageError("GRUB does not fit before the first partition", "Let that begin at sector 2048 or later")
    with image.open("r+b") as file:
        file.write((MODULES / BIOS / "boot.img").read_bytes()[:_CODE_BYTES])
        file.seek(SECTOR)
        file.write(core)


def install_uefi(place: Place, label: str, identity: uuid.UUID, commands: Path, work: Path, epoch: int) -> None:
    """Make the EFI system partition with GRUB where firmware looks for it on any disk."""
    first = place.offset // SECTOR
    run(
        [
            # By itself it would choose clusters for the whole disk, of which the partition has too few for FAT32.
            *(
                "mkfs.vfat",
                "--invariant",
                "-F",
                "32",
                "-s",
                "1",
                "-i",
                identity.hex[:8],
                "-n",
                label,
                "-h",
                str(first),
            ),
            *("--offset", str(first), str(place.image), str(place.size // 1024)),
        ],
        epoch=epoch,
    )
    fat = f"{place.image}@@{place.offset}"
    run(["mmd", "-i", fat, "::/EFI", "::/EFI/BOOT"], epoch=epoch)
    for platform, name in UEFI.items():
        _grub(platform, commands, "/EFI/BOOT", work / name, epoch)
        run(["mcopy", "-i", fat, str(work / name), f"::/EFI/BOOT/{name}"], epoch=epoch)


def make(job: Job) -> None:
    """Write NAME.img: whole, to be written onto a disk or a stick as it is."""
    drawn = disk.Disk(job)
    commands = job.work / "start.cfg"
    commands.write_text(starting(job.composed.base_identity(disk.ROOT), job.model.console), "ascii")
    first = min(one.start for one in job.model.partitions)
    install_bios(drawn.image, first, commands, job.work, job.composed.epoch)
    for one in job.model.partitions:
        place = drawn.places[one.mount]
        if one.filesystem == "vfat":
            identity = job.composed.identity(one.mount)
            install_uefi(place, one.label, identity, commands, job.work, job.composed.epoch)
    with drawn.system() as inset:
        options = (f"of={drawn.image}", f"seek={inset.start}", "oflag=seek_bytes", "bs=1M", "conv=notrunc,sparse")
        run(["dd", f"if={inset.file}", *options], epoch=job.composed.epoch)
    drawn.image.replace(job.beside(".img"))
