"""Packing and verifying take the same memory for a small disk and for one twenty times as large."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

MIB = 2**20
WORKERS = 2
# By a small process in between: what this one has would count as its child's, from before that becomes the command.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
QUEUES = 64 * MIB
"""What may wait between threads on a slow machine; all of the large disk's content would be 160 MiB at least."""


def peak(*words: object) -> int:
    """Bytes of the largest process that a command of `sugar-deploy image` needs."""
    argv = [sys.executable, "-c", MEASURE, sys.executable, "-m", "sugar_deploy", "image", *map(str, words), "-q"]
    return int(subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout) * 1024


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    peaks = {}
    for mib in (24, 480):
        disk, packed = tmp_path / "disk.img", tmp_path / f"disk{mib}.zd"
        with disk.open("wb") as file:
            chance = random.Random(mib)
            # What cannot be packed fills the queues between threads the most.
            for at in range(0, mib * MIB, 3 * MIB):
                file.seek(at)
                file.write(chance.randbytes(MIB))
            file.truncate(mib * MIB)
        peaks[mib] = (peak("pack", disk, packed, "--workers", WORKERS), peak("verify", packed))
    for small, large in zip(*peaks.values(), strict=True):
        assert large < small + QUEUES, peaks
        assert large < 300e6, peaks
