"""A small Debian for ARM with a kernel and its laptops' ramdisk, composed on a PC: nothing of the PC stays in it.

What its packages do when they are configured is emulated; for the ramdisk, this machine lends its shell and tools.
"""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.image.compose.build import run
from sugar_deploy.image.compose.debian import choose
from sugar_deploy.image.compose.running import run_step
from sugar_deploy.image.compose.stage import make_step, stages_folder
from sugar_deploy.image.models import read_model
from sugar_deploy.repository.derive.archive import KEYRING
from sugar_deploy.repository.derive.mirror import Mirror, read_mirror
from tests.integration.image.ramdisk import unpacked

EMULATION = Path(__file__).parents[3] / "scripts" / "emulation"
SUITE, ARCHITECTURE = "bookworm", "armhf"
# Without zstd, the ramdisk is compressed as Python reads it.
NAMES = ("initramfs-tools", "linux-image-armmp")
ELF, ARM = b"\x7fELF", 40
"""What e_machine says of a program for ARM, in elf(5)."""


@pytest.fixture
def own_tools(tmp_path: Path) -> Path:
    """A folder of stages that lend nothing: all of it is the tree's own work, emulated."""
    folder = tmp_path / "stages"
    shutil.copytree(stages_folder(), folder)
    (folder / "native").write_text("#!/bin/sh\n")
    return folder


def test_a_ramdisk_is_the_same_whoever_lent_the_tools(own_tools: Path, tmp_path: Path) -> None:
    model = read_model("xo-4")
    debian = choose(Mirror(read_mirror().main, None), KEYRING, SUITE, ARCHITECTURE, NAMES, (), print)
    steps = (
        make_step("base", {"architecture": ARCHITECTURE}, {"debian": debian.as_input()}),
        make_step("ramdisk", {"modules": model.ramdisk}),
    )
    said = subprocess.run([EMULATION], capture_output=True, text=True, check=False)
    if said.returncode:
        # Where the kernel does not allow it, that is what is told, by both.
        assert "Compose on another machine" in said.stderr
        with pytest.raises(DeployError, match="does not run programs of armhf"):
            run(steps, tmp_path / "cache", print)
        return
    before, _ = run(steps, tmp_path / "cache", print)
    lent = run_step(make_step("finish"), before, tmp_path / "lent")
    own = run_step(make_step("finish", folder=own_tools), before, tmp_path / "own")
    assert subprocess.run(["cmp", lent, own], check=False).returncode == 0
    programs = dict(elf_files(lent))
    assert set(programs.values()) == {ARM}
    assert {f"{name}.ko" for name in model.ramdisk} <= {Path(name).name for name in programs if in_ramdisk(name)}


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
