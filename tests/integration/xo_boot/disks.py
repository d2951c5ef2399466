"""What a laptop of the lab starts from: Debian's kernel, the initramfs of our package, and disks like an XO's."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sugar_deploy.lab import image
from sugar_deploy.lab.mirror import read_mirror
from sugar_deploy.lab.qemu import kernel_packages, newest_boot_file
from sugar_deploy.repository.build import build
from sugar_deploy.resources import resource

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
SECTOR, BOOT_START, ROOT_START, BOOT_SECTORS = 512, 8192, 139264, 131072
"""OLPC's layout: a boot partition of 64 MiB, the root behind it."""
BUILD = "32010"
QUICK = "init=/bin/tell"
TELL = """#!/bin/sh
echo "THE SYSTEM IS THERE, on $(cat /proc/cmdline)"
echo "Its addresses: <$(busybox ip -o -4 address show scope global)>"
poweroff -f
"""
# In the versions tree: all that the two services and the tree should have come to, once both have run.
WITNESS = """#!/bin/sh
# Each line on its own, whatever else is on the console.
tell() { printf '\\ntold %s: %s\\n' "$1" "$2"; }
systemctl is-system-running --wait
failed=$(systemctl --failed --plain --no-legend)
tell failed "${failed:-none}"
tell name "$(cat /etc/hostname)"
tell id "$(wc -c </etc/machine-id)"
tell keys "$(echo /etc/ssh/ssh_host_*.pub)"
tell root "$(findmnt -no SOURCE /)"
tell home "$(findmnt -no SOURCE /home)"
tell links "$(stat -c %h /etc/debian_version)"
tell MiB "$(df --output=size --block-size=M / | tail -1 | tr -cd 0-9)"
echo "THE WITNESS HAS SPOKEN"
sync
poweroff -ff
"""
WITNESS_UNIT = """[Unit]
After=sugar-xo-enrol.service sugar-xo-grow.service
[Service]
ExecStart=/usr/local/bin/witness
StandardOutput=tty
TTYPath=/dev/console
[Install]
WantedBy=multi-user.target
"""


def run(*argv: str | Path) -> None:
    """Runs it, and shows what it said if it fails."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


class System:
    """A Debian system with our package, installed as on any machine: kernel and initramfs are in its /boot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # The image that machines of the lab have: it is there already, or will be for them.
        wanted = image.recipe("bookworm", ARCHITECTURE, read_mirror(), "kernel", kernel_packages(ARCHITECTURE))
        self.image, self.hold = image.obtain(wanted)
        self.root = folder / "system"

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Its root, which the image below does not notice."""
        for name in ("own", "work", "system"):
            (self.folder / name).mkdir()
        layers = f"lowerdir={self.image.root},upperdir={self.folder / 'own'},workdir={self.folder / 'work'}"
        run("mount", "-t", "overlay", "-o", layers, "xo-boot", self.root)
        try:
            yield
        finally:
            run("umount", self.root)
            os.close(self.hold)

    def install(self) -> None:
        """Our package, with all that it depends on and nothing else."""
        (built,) = [one for one in build(sources=resource("packages")) if one.source.name == "sugar-xo-boot"]
        shutil.copy(built.debs[0], self.root / "tmp/own.deb")
        self._hasten()
        settings = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True)
        (self.root / "etc/apt/apt.conf.d/90here").write_text(settings.stdout)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        apt = ("chroot", self.root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q")
        run("mount", "--bind", "/proc", self.root / "proc")
        try:
            run(*apt, "update")
            own = ("-o", "Dpkg::Options::=--force-confold", "/tmp/own.deb")
            run(*apt, "install", "--yes", "--no-install-recommends", *own)
        finally:
            run("umount", self.root / "proc")
        run("sh", self.root / "usr/lib/sugar-xo-boot/forget", self.root)
        run("chroot", self.root, "apt-get", "clean")

    def _hasten(self) -> None:
        """One round instead of four, and no minute of waiting before a refused laptop switches off."""
        text = resource("packages/sugar-xo-boot/conf/boot.conf").read_text()
        for name, usual, hasty in (("ROUNDS", 4, 1), ("PAUSE_SECONDS", 4, 0), ("OFF_SECONDS", 60, 1)):
            assert f"XO_{name}={usual}\n" in text
            text = text.replace(f"XO_{name}={usual}\n", f"XO_{name}={hasty}\n")
        settings = self.root / "etc/sugar-xo-boot/boot.conf"
        settings.parent.mkdir()
        settings.write_text(text)

    def kernel(self) -> tuple[Path, Path]:
        """Kernel and initramfs, copied out."""
        names = ("vmlinuz", "initrd.img")
        copies = tuple(self.folder / name for name in names)
        for name, copy in zip(names, copies, strict=True):
            shutil.copyfile(newest_boot_file(self.root / "boot", name), copy)
        return copies[0], copies[1]

    def small_disk(self) -> Path:
        """A root that only tells that it was reached, with busybox as its init."""
        tree = self.folder / "small"
        for name in ("bin", "dev", "proc", "run", "sys"):
            (tree / name).mkdir(parents=True)
        libraries = subprocess.run(["ldd", self.root / "bin/busybox"], capture_output=True, text=True, check=True)
        for word in libraries.stdout.split():
            if word.startswith("/"):
                (tree / word[1:]).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(word, tree / word[1:])
        shutil.copy(self.root / "bin/busybox", tree / "bin/busybox")
        for name in ("sh", "cat", "poweroff"):
            (tree / "bin" / name).symlink_to("busybox")
        program(tree / "bin/tell", TELL)
        return self._disk("small.img", tree, root_mib=32, disk_mib=128)

    def versions_disk(self) -> Path:
        """The whole system as a build of a versions tree, on a card larger than the image."""
        program(self.root / "usr/local/bin/witness", WITNESS)
        unit = self.root / "etc/systemd/system/witness.service"
        unit.write_text(WITNESS_UNIT)
        (unit.parent / "multi-user.target.wants/witness.service").symlink_to(unit.name)
        (self.root / "etc/fstab").write_text("LABEL=OLPCRoot / ext4 errors=remount-ro 0 1\n")
        for name in ("versions", "security"):
            (self.root / name).mkdir()
        tree = self.folder / "versions-root"
        for name in ("home/of-all", "versions/pristine", "security", "dev", "proc", "run", "sys"):
            (tree / name).mkdir(parents=True)
        pristine = tree / "versions/pristine" / BUILD
        run("cp", "-a", "--reflink=auto", self.root, pristine)
        disk = self._disk("versions.img", tree, root_mib=900, disk_mib=1400)
        shutil.rmtree(tree)
        return disk

    def _disk(self, name: str, tree: Path, *, root_mib: int, disk_mib: int) -> Path:
        disk, boot = self.folder / name, self.folder / f"{name}-boot"
        for part in ("security", f"boot-versions/{BUILD}"):
            (boot / part).mkdir(parents=True)
        (boot / "boot").symlink_to(f"boot-versions/{BUILD}")
        with disk.open("wb") as file:
            file.truncate(disk_mib * 2**20)
        table = f"label: dos\n{BOOT_START},{BOOT_SECTORS},L,*\n{ROOT_START},{root_mib * 2048},L\n"
        subprocess.run(["sfdisk", "-q", disk], input=table, text=True, check=True, capture_output=True)
        for kind, label, source, start, mib in (
            ("ext2", "Boot", boot, BOOT_START, BOOT_SECTORS // 2048),
            ("ext4", "OLPCRoot", tree, ROOT_START, root_mib),
        ):
            where = ("-E", f"offset={start * SECTOR}", disk, f"{mib}M")
            run(f"mkfs.{kind}", "-q", "-F", "-L", label, "-d", source, *where)
        return disk


def program(path: Path, text: str) -> None:
    """A file that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def kept_lease(disk: Path) -> bytes:
    """security/lease.sig of the boot partition, read without mounting it."""
    device = f"{disk}?offset={BOOT_START * SECTOR}"
    return subprocess.run(
        ["debugfs", "-R", "cat /security/lease.sig", device], capture_output=True, check=True
    ).stdout


def medium(file: Path, lease: bytes) -> Path:
    """A FAT stick with this lease.sig in its root."""
    with file.open("wb") as image_file:
        image_file.truncate(16 * 2**20)
    (file.with_suffix(".sig")).write_bytes(lease)
    run("mkfs.vfat", file)
    run("mcopy", "-i", file, file.with_suffix(".sig"), "::lease.sig")
    return file
