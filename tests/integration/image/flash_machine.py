"""A virtual machine with Debian's kernel and a simulated chip of NAND: what its JFFS2 and UBIFS make of an image."""

from __future__ import annotations

import lzma
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from sugar_deploy.resources import resource
from tests.integration.image.ramdisk import packed

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
OPTIONS = {
    # 1 GiB in pages of 2 KiB and erase blocks of 128 KiB. Of the XO-1's partitions mtd0 is the map, mtd1 `boot` and
    # mtd2 `system`; mtd3 is for an image without them.
    "nandsim.ko": "first_id_byte=0xec second_id_byte=0xd3 third_id_byte=0x51 fourth_id_byte=0x95 parts=1,384,1000",
    "ubi.ko": "mtd=$UBIMTD",
}
QEMU, CONSOLE = {
    "amd64": (("qemu-system-x86_64", "-machine", "q35"), "ttyS0"),
    "arm64": (("qemu-system-aarch64", "-machine", "virt"), "ttyAMA0"),
}[ARCHITECTURE]
FOLDER = (0o040755, b"")
APPLETS = ("sh", "mount", "umount", "insmod", "dd", "cat", "poweroff", "mkdir", "sync", "rm", "chroot")
BOOT_SECONDS = 300
"""Some ten on a quiet machine, emulated."""
TELL = """
#define _GNU_SOURCE
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
static int told(const char *path, const struct stat *file, int kind, struct FTW *where)
{
    unsigned char value[4096];
    char target[4096] = "";
    (void)kind, (void)where;
    printf("told %o %u:%u %u %lld %u:%u ", file->st_mode, file->st_uid, file->st_gid, (unsigned)file->st_nlink,
           (long long)file->st_mtime, major(file->st_rdev), minor(file->st_rdev));
    ssize_t length = lgetxattr(path, "security.capability", value, sizeof value);
    for (ssize_t at = 0; at < length; at++)
        printf("%02x", value[at]);
    if (S_ISLNK(file->st_mode) && readlink(path, target, sizeof target - 1) >= 0)
        printf("->%s", target);
    if (S_ISREG(file->st_mode)) {
        unsigned long long hash = 14695981039346656037ull;
        FILE *content = fopen(path, "rb");
        for (int byte; content && (byte = getc(content)) != EOF;)
            hash = (hash ^ (unsigned)byte) * 1099511628211ull;
        printf("=%llx", hash);
    }
    printf("\\t%s\\n", path);
    return 0;
}
int main(void)
{
    return nftw(".", told, 64, FTW_PHYS);
}
"""


@dataclass(frozen=True)
class Machine:
    """Debian's kernel, its modules in the order in which they are loaded, and programs for its ramdisk."""

    kernel: Path
    modules: dict[str, bytes]
    programs: dict[str, tuple[int, bytes]]

    def run(self, flash: str, script: str, files: Mapping[str, bytes], folder: Path) -> str:
        """What was on the console: FLASH fills the chip and sets UBIMTD, what UBI takes, and SCRIPT looks at it all.

        Both are for busybox's shell, with FILES in /.
        """
        lines = ["set -e", "trap 'poweroff -f' EXIT", "mount -t proc p /proc", "mount -t sysfs s /sys"]
        lines.append("mount -t devtmpfs d /dev")
        for name in self.modules:
            lines.append(f"insmod /modules/{name} {OPTIONS.get(name, '')}")
            lines += [flash] if name == "nandsim.ko" else []
        init = "\n".join(("#!/bin/sh", *lines, script, "echo the end", ""))
        entries = dict.fromkeys(("dev", "mnt", "proc", "sys", "modules"), FOLDER)
        entries |= self.programs
        entries |= {f"modules/{name}": (0o100644, content) for name, content in self.modules.items()}
        entries |= {name: (0o100644, content) for name, content in files.items()}
        ramdisk = folder / "ramdisk"
        ramdisk.write_bytes(packed({**entries, "init": (0o100755, init.encode())}))
        return self._boot(ramdisk)

    def _boot(self, ramdisk: Path) -> str:
        words = f"console={CONSOLE} panic=-1 quiet"
        argv = [*QEMU, "-cpu", "max", "-accel", "tcg", "-m", "512", "-display", "none", "-no-reboot", "-nodefaults"]
        argv += ["-serial", "stdio", "-kernel", str(self.kernel), "-initrd", str(ramdisk), "-append", words]
        done = subprocess.run(
            argv, capture_output=True, timeout=BOOT_SECONDS, check=True, stdin=subprocess.DEVNULL
        ).stdout.decode("utf-8", "surrogateescape")
        assert "the end" in done, done[-4000:]
        return done.replace("\r\n", "\n")


def machine(folder: Path) -> Machine:
    """Debian's kernel as the archive has it: the lab's own has no NAND."""
    asked = ["apt-cache", "depends", f"linux-image-{ARCHITECTURE}"]
    depends = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    (package,) = re.findall(r"Depends: (linux-image-[0-9]\S+)", depends)
    subprocess.run(["apt-get", "-q", "download", package], cwd=folder, check=True, capture_output=True)
    (deb,) = folder.glob("*.deb")
    root = folder / "kernel"
    subprocess.run(["dpkg-deb", "--extract", deb, root], check=True)
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    all_modules = {path.name.partition(".")[0].replace("-", "_"): path for path in root.rglob("*.ko*")}
    modules: dict[str, bytes] = {}
    for name in ("nandsim", *_of_initramfs()):
        # Some kernels have built in what others have as modules.
        if name in all_modules:
            _load(name, all_modules, modules)
    return Machine(kernel, modules, _programs(folder))


def _of_initramfs() -> list[str]:
    """What sugar-xo-boot brings into an XO-1's initramfs for its flash, but for the driver of that chip."""
    hook = (resource("packages") / "sugar-xo-boot/initramfs/hooks/sugar-xo-boot").read_text("utf-8")
    (names,) = re.findall(r"^manual_add_modules cafe_nand (.*)$", hook, re.MULTILINE)
    return str(names).split()


def _load(name: str, known: Mapping[str, Path], modules: dict[str, bytes]) -> None:
    """A module behind those that it says it needs."""
    path = known[name]
    content = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    needs = re.search(rb"\0depends=([^\0]*)\0", content)
    for need in needs[1].decode().split(",") if needs else ():
        if need:
            _load(need.replace("-", "_"), known, modules)
    modules.setdefault(f"{name}.ko", content)


def _programs(folder: Path) -> dict[str, tuple[int, bytes]]:
    (folder / "tell.c").write_text(TELL)
    subprocess.run(["gcc", "-static", "-Os", "-o", folder / "tell", folder / "tell.c"], check=True)
    files = {"bin/tell": folder / "tell"}
    for name in ("busybox", "setfattr"):
        files[f"bin/{name}"] = program = Path(str(shutil.which(name)))
        libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        files |= {word[1:]: Path(word) for word in libraries.split() if word.startswith("/")}
    folders = {str(parent) for name in files for parent in PurePath(name).parents if str(parent) != "."}
    entries = dict.fromkeys(sorted(folders), FOLDER)
    entries |= {name: (0o100755, source.read_bytes()) for name, source in files.items()}
    return entries | {f"bin/{name}": (0o120777, b"busybox") for name in APPLETS}
