"""A PC's disk starts the image's kernel and ramdisk, from the BIOS and from UEFI, in QEMU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sugar_deploy.image.models import Medium, Model, read_model
from sugar_deploy.image.outputs.make import make
from sugar_deploy.lab.image import obtain, recipe
from sugar_deploy.lab.mirror import read_mirror
from sugar_deploy.lab.qemu import kernel_packages, newest_boot_file
from tests.integration.image.ramdisk import packed
from tests.integration.image.system import compose

MARK = "the image's own ramdisk has begun"
INIT = """
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <unistd.h>
int main(void) {
    mount("dev", "/dev", "devtmpfs", 0, 0);
    int line = open("/dev/ttyS0", O_WRONLY);
    static const char mark[] = "%s\\n";
    write(line, mark, sizeof mark - 1);
    fsync(line);
    sleep(1);
    return reboot(RB_AUTOBOOT);
}
"""
FIRMWARE = {
    "bios": (),
    "uefi": ("-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"),
}


def pc() -> Model:
    return read_model("generic-pc").model_copy(update={"media": (Medium(name="1gb", size=2**30),)})


def ramdisk(work: Path) -> bytes:
    """A ramdisk in which /init tells that it runs and then reboots."""
    (work / "init.c").write_text(INIT % MARK)
    subprocess.run(["gcc", "-static", "-Os", "-o", work / "init", work / "init.c"], check=True)
    return packed({"dev": (0o040755, b""), "init": (0o100755, (work / "init").read_bytes())})


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk of an image with a kernel of Debian's."""
    folder = tmp_path_factory.mktemp("pc")
    architecture = "amd64"
    wanted = recipe("bookworm", architecture, read_mirror(), "kernel", kernel_packages(architecture))
    image, held = obtain(wanted)
    try:
        kernel = newest_boot_file(image.root / "boot", "vmlinuz").read_bytes()
    finally:
        os.close(held)
    composed = compose(folder / "composed", "generic-pc", kernel, ramdisk(folder))
    return make(composed, pc(), folder / "out") / "sugar1.img"


@pytest.mark.parametrize("firmware", FIRMWARE)
def test_the_disk_starts_the_images_system(disk: Path, firmware: str) -> None:
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-display", "none", "-no-reboot", "-nodefaults"]
    argv += ["-serial", "stdio", "-snapshot", "-drive", f"file={disk},format=raw,if=ide", *FIRMWARE[firmware]]
    done = subprocess.run(argv, capture_output=True, timeout=300, check=True, stdin=subprocess.DEVNULL)
    assert MARK in done.stdout.decode("utf-8", "replace")


def test_other_programs_read_the_disk(disk: Path) -> None:
    table = subprocess.run(["/sbin/sfdisk", "--json", disk], capture_output=True, text=True, check=True)
    partitions = json.loads(table.stdout)["partitiontable"]["partitions"]
    assert [(one["type"], one.get("bootable", False)) for one in partitions] == [("ef", False), ("83", True)]
    listed = subprocess.run(
        ["mdir", "-b", "-i", f"{disk}@@{partitions[0]['start'] * 512}", "::/EFI/BOOT"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(listed.stdout.split()) == ["::/EFI/BOOT/BOOTIA32.EFI", "::/EFI/BOOT/BOOTX64.EFI"]
    for number, check in ((0, ["/sbin/fsck.vfat", "-n"]), (1, ["/sbin/e2fsck", "-f", "-n"])):
        part = disk.with_name(f"part{number}")
        with disk.open("rb") as whole, part.open("wb") as file:
            whole.seek(partitions[number]["start"] * 512)
            file.write(whole.read(partitions[number]["size"] * 512))
        assert subprocess.run([*check, part], capture_output=True, check=False).returncode == 0
        part.unlink()


def test_the_same_image_gives_the_same_bytes(disk: Path, tmp_path: Path) -> None:
    composed = tmp_path / "composed"
    shutil.copytree(disk.parents[1] / "composed", composed)
    assert (make(composed, pc(), tmp_path / "out") / disk.name).read_bytes() == disk.read_bytes()
