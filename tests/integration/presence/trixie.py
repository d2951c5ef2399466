"""Prosody 13.0 of Debian 13, in a tree of its own: nothing of it is installed on this machine."""

from __future__ import annotations

import functools
import grp
import pwd
import subprocess
from pathlib import Path

from sugar_deploy.lab.image import Recipe, obtain
from sugar_deploy.lab.mirror import read_mirror

PACKAGES = ("prosody", "lua-unbound")


@functools.cache
def tree() -> Path:
    """The release's root, made at the first call (less than a minute) and kept in the lab's cache."""
    said = subprocess.run(["dpkg", "--print-architecture"], check=True, capture_output=True, text=True)
    image, _held = obtain(
        Recipe("trixie", said.stdout.strip(), read_mirror().sources("trixie"), PACKAGES, "prosody", "true")
    )
    return image.root  # the descriptor stays open: nobody clears the tree away while the tests run


def command(folder: Path) -> list[str]:
    """What starts its Prosody, as this machine's user of that name, with FOLDER where it is."""
    user, group = pwd.getpwnam("prosody").pw_uid, grp.getgrnam("prosody").gr_gid
    return [
        *("bwrap", "--ro-bind", str(tree()), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
        *("--bind", str(folder), str(folder), "--unshare-pid", "--die-with-parent", "--chdir", str(folder), "--"),
        *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "prosody"),
    ]
