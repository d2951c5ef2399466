"""Debian trees with the XMPP servers in them, so that each release's own versions are measured on one machine.

Nothing of them is installed on the machine itself; each server runs in its tree by bubblewrap, on loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from collections.abc import Sequence
from pathlib import Path

from sugar_deploy.repository.derive.mirror import read_mirror

SUITES = ("bookworm", "trixie")
PACKAGES = ("prosody", "lua-unbound", "libjemalloc2", "ejabberd")
HOME = "/srv/bench"


def cache() -> Path:
    """Where the trees are kept between runs; remove the folder to have them made anew."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sugar-deploy" / "bench"


def root(suite: str) -> Path:
    """The tree of a release, made by mmdebstrap at the first call (some minutes, 400 MiB)."""
    made = cache() / f"{suite}-{zlib.crc32(' '.join(PACKAGES).encode()):08x}"
    if made.exists():
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    new = made.with_name(f"{made.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    subprocess.run(
        [
            *("mmdebstrap", "--mode=root", "--variant=apt", f"--include={','.join(PACKAGES)}"),
            *("--aptopt=Apt::Install-Recommends false", f"--customize-hook=mkdir -p $1{HOME}"),
            *("--customize-hook=chmod 755 $1", suite, str(new), *read_mirror().sources(suite)),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    new.rename(made)
    return made


def inside(tree: Path, folder: Path, user: str, argv: Sequence[str], **environment: str) -> list[str]:
    """The argv that runs a command in a tree as one of its users, with `folder` at HOME.

    The machine's network is shared, its processes are not: all of the server ends with its first process.
    """
    named = [part for name, value in environment.items() for part in ("--setenv", name, value)]
    return [
        *("bwrap", "--bind", str(tree), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
        *("--bind", str(folder), HOME, "--unshare-pid", "--die-with-parent", "--chdir", HOME, *named, "--"),
        *("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *argv),
    ]
