"""Debian trees with the XMPP servers in them, so that each release's own versions are measured on one machine.

Nothing of them is installed on the machine itself; each server runs in its tree by bubblewrap, on loopback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.trees import tree

SUITES = ("bookworm", "trixie")
PACKAGES = ("prosody", "lua-unbound", "libjemalloc2", "ejabberd")
HOME = "/srv/bench"


def root(suite: str) -> Path:
    """The tree of a release (some minutes at the first call, 400 MiB)."""
    return tree(suite, "bench", PACKAGES, f'mkdir "$1"{HOME}')


def inside(release: Path, folder: Path, user: str, argv: Sequence[str], **environment: str) -> list[str]:
    """The argv that runs a command in a tree as one of its users, with `folder` at HOME.

    The machine's network is shared, its processes are not: all of the server ends with its first process.
    """
    named = [part for name, value in environment.items() for part in ("--setenv", name, value)]
    return [
        *("bwrap", "--ro-bind", str(release), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
        *("--bind", str(folder), HOME, "--unshare-pid", "--die-with-parent", "--chdir", HOME, *named, "--"),
        *("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *argv),
    ]
