"""Roots of Debian releases with some packages: nothing of them is installed on this machine, nothing writes there."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from sugar_deploy.lab.image import Recipe, obtain
from sugar_deploy.lab.mirror import read_mirror


@functools.cache
def tree(suite: str, kind: str, packages: tuple[str, ...], customise: str = "true") -> Path:
    """The release's root, made at the first call (some minutes at most) and kept in the lab's cache.

    CUSTOMISE is a shell script that is given it when it is made; trees of another KIND stay beside it.
    """
    said = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True)
    sources = read_mirror().sources(suite)
    image, _held = obtain(Recipe(suite, said.stdout.strip(), sources, packages, kind, customise))
    return image.root  # the descriptor stays open: nobody clears the tree away while this process runs
