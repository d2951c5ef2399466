"""A small Debian for ARM with a kernel and its laptops' ramdisk, composed on a PC: nothing of the PC stays in it.

What its packages do when they are configured is emulated; for the ramdisk, this machine lends its shell and tools.
"""

from __future__ import annotations

import gzip
import platform
import re
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.image.compose.build import run
from sugar_deploy.image.compose.debian import choose
from sugar_deploy.image.compose.stage import make_step
from sugar_deploy.image.models import read_model
from sugar_deploy.repository.derive.archive import KEYRING
from sugar_deploy.repository.derive.mirror import Mirror, read_mirror
from tests.integration.image.ramdisk import unpacked

EMULATION = Path(__file__).parents[3] / "scripts" / "emulation"
SUITE, ARCHITECTURE = "bookworm", "armhf"
# Without zstd, the ramdisk is compressed as Python reads it.
NAMES = ("initramfs-tools", "linux-image-armmp")
# A machine in which nobody has registered anything yet, as seen from a user namespace with a registry of its own.
ALONE = """
! mountpoint -q /proc/sys/fs/binfmt_misc || umount /proc/sys/fs/binfmt_misc
exec unshare --user --map-root-user --mount sh -ec '
    mount -t binfmt_misc own "$1"
    ! arch-test armhf
    shift
    exec "$@"' sh "$@"
"""
LINUX = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))
ELF, ARM = b"\x7fELF", 40
"""What e_machine says of a program for ARM, in elf(5)."""


@pytest.mark.skipif(LINUX < (6, 7), reason="before 6.7, user namespaces have no registry of their own")
@pytest.mark.parametrize(
    ("rights", "status", "told"),
    [
        ((), 0, "armhf: ok"),
        (("setpriv", "--bounding-set", "-sys_admin"), 1, "does not let binfmt_misc be mounted: mount: "),
    ],
)
def test_programs_of_arm_are_registered_or_it_is_told_why_not(
    tmp_path: Path, rights: tuple[str, ...], status: int, told: str
) -> None:
    argv: list[str | Path] = ["unshare", "--mount", "sh", "-ec", ALONE, "sh", tmp_path, *rights]
    argv += ["sh", "-c", f"{EMULATION} && arch-test armhf"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, told in done.stdout + done.stderr) == (status, True), done.stderr


def test_nothing_of_the_tools_that_are_lent_stays(tmp_path: Path) -> None:
    model = read_model("xo-4")
    debian = choose(Mirror(read_mirror().main, None), KEYRING, SUITE, ARCHITECTURE, NAMES, (), print)
    steps = (
        make_step("base", {"architecture": ARCHITECTURE}, {"debian": debian.as_input()}),
        make_step("ramdisk", {"modules": model.ramdisk}),
        make_step("caches"),
        make_step("finish"),
    )
    said = subprocess.run([EMULATION], capture_output=True, text=True, check=False)
    if said.returncode:
        # Where the kernel does not allow it, that is what is told, by both.
        assert "Compose on another machine" in said.stderr
        with pytest.raises(DeployError, match="does not run programs of armhf"):
            run(steps, tmp_path / "cache", print)
        return
    tree, _ = run(steps, tmp_path / "cache", print)
    programs = dict(elf_files(tree))
    assert {name for name, machine in programs.items() if machine != ARM} == set()
    inside = {Path(name).name for name in programs if in_ramdisk(name)}
    assert {"kmod", "udevadm", *(f"{name}.ko" for name in model.ramdisk)} <= inside


def in_ramdisk(name: str) -> bool:
    """Names in a tree begin with ./ and those in a ramdisk do not."""
    return not name.startswith("./")


def elf_files(tree: Path) -> Iterator[tuple[str, int]]:
    """The programs and drivers in a tree, and in its ramdisk; each with the machine that it is for."""
    with tarfile.open(tree) as tar:
        for one in tar:
            file = tar.extractfile(one) if one.isreg() else None
            content = file.read() if file else b""
            inside = {one.name: content}
            if one.name.startswith("./boot/initrd.img-"):
                inside = unpacked(gzip.decompress(content))
            for name, program in inside.items():
                if program.startswith(ELF):
                    yield name, struct.unpack_from("<H", program, 18)[0]
