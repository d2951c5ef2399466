"""Sticks: image files with a file system of their own, which the lab's machines get plugged in and pulled out."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sugar_deploy.errors import DeployError
from sugar_deploy.lab.process import execute

Filesystem = Literal["ext4", "fat32"]

MOUNT = "/media/stick"
"""Where a machine has its stick."""

# The script unmounts itself: a namespace that merely ends may still be writing when its process is gone.
_MOUNTED = """mount -o loop "$1" "$2" || exit 125
image=$1; at=$2; shift 2
"$@"; status=$?
cd / && umount "$at" || exit 125
exit $status
"""


@dataclass(frozen=True, slots=True)
class Stick:
    """A stick lying on the table: not in any machine."""

    file: Path
    filesystem: Filesystem = "ext4"

    @classmethod
    def make(cls, file: Path, filesystem: Filesystem = "ext4", *, size_mib: int = 2048) -> Stick:
        """A new, empty one; on this machine's disk it takes what is written to it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as image:
            image.truncate(size_mib * 2**20)
        if filesystem == "ext4":
            execute(("mkfs.ext4", "-q", "-F", "-m", "0", "-L", "STICK", str(file)))
        else:
            execute(("mformat", "-i", str(file), "-F", "-v", "STICK", "::"))
        return cls(file, filesystem)

    def copy(self, file: Path) -> Stick:
        """Another stick with the same content."""
        execute(("cp", "--reflink=auto", "--sparse=always", str(self.file), str(file)))
        return Stick(file, self.filesystem)

    def mounted_argv(self, at: Path, argv: Sequence[str]) -> tuple[str, ...]:
        """The command that runs ARGV with the stick mounted AT that folder, for nobody else to see. Pure."""
        return ("unshare", "--mount", "--", "sh", "-c", _MOUNTED, "sh", str(self.file), str(at), *argv)

    def mounted(self, at: Path, argv: Sequence[str], *, seconds: float = 1800) -> subprocess.CompletedProcess[str]:
        """Run ARGV on this machine with the stick mounted AT that folder."""
        at.mkdir(parents=True, exist_ok=True)
        return subprocess.run(
            self.mounted_argv(at, argv),
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def fill(self, folder: Path) -> None:
        """Copy all that is in FOLDER onto a FAT32 stick, which kernels without vfat cannot mount."""
        if self.filesystem != "fat32":
            raise DeployError(f"{self.file} is {self.filesystem}", "Mount it, and write to it as to any folder")
        for each in sorted(folder.iterdir()):
            execute(("mcopy", "-i", str(self.file), "-s", "-Q", "-m", str(each), "::"), timeout_seconds=600)

    def throw_away(self) -> None:
        """Remove the image."""
        if self.file.is_dir():
            shutil.rmtree(self.file)
        self.file.unlink(missing_ok=True)
