"""Other people's programs that make file systems and partitions: a failure shows the line that one can paste."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sugar_deploy.errors import DeployError
from sugar_deploy.image.space import full, no_room

PACKAGES = {
    "debugfs": "e2fsprogs",
    "dumpe2fs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "e2undo": "e2fsprogs",
    "mkfs.ext2": "e2fsprogs",
    "mkfs.ext4": "e2fsprogs",
    "sfdisk": "fdisk",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "mmd": "mtools",
    "grub-mkimage": "grub-common",
    "mkfs.jffs2": "mtd-utils",
    "mkfs.ubifs": "mtd-utils",
    "sumtool": "mtd-utils",
    "ubinize": "mtd-utils",
    "cc": "build-essential",
}
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where Debian has most of these, and where an ordinary user's PATH does not look."""


def program(name: str) -> str:
    """Where a program is; raises DeployError with the package that brings it."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_SBIN)))
    if found is None:
        raise DeployError(f"{name} is not installed", f"Install it: sudo apt install {PACKAGES.get(name, name)}")
    return found


@dataclass(frozen=True, slots=True)
class Said:
    """What a program printed, and what it complained of."""

    output: str
    complaints: str


def run(argv: Sequence[str], *, epoch: int, stdin: str = "", environment: Mapping[str, str] = {}) -> Said:
    """What a program said. It takes EPOCH (Unix seconds) for the present, as far as it asks us.

    ENVIRONMENT is added to ours. Raises DeployError with the command and what it said; OSError if the disk is full.
    """
    command = [program(argv[0]), *argv[1:]]
    fixed = {"SOURCE_DATE_EPOCH": str(epoch), "E2FSPROGS_FAKE_TIME": str(epoch), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    # Sticks have no tracks and heads for mtools to count.
    fixed["MTOOLS_SKIP_CHECK"] = "1"
    path = os.pathsep.join((os.environ.get("PATH", ""), *_SBIN))
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "PATH": path, **fixed, **environment},
    )
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}"
        if full(said):
            raise no_room(said)
        raise DeployError(f"`{shlex.join(argv)}` failed: {said}")
    return Said(done.stdout, done.stderr)
