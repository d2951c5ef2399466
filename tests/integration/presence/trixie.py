"""Prosody 13.0 of Debian 13, in a tree of its own: nothing of it is installed on this machine."""

from __future__ import annotations

import grp
import pwd
from pathlib import Path

from tests.trees import tree

PACKAGES = ("prosody", "lua-unbound")


def command(folder: Path) -> list[str]:
    """What starts its Prosody, as this machine's user of that name, with FOLDER where it is."""
    root = tree("trixie", "prosody", PACKAGES)
    user, group = pwd.getpwnam("prosody").pw_uid, grp.getgrnam("prosody").gr_gid
    return [
        *("bwrap", "--ro-bind", str(root), "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
        *("--bind", str(folder), str(folder), "--unshare-pid", "--die-with-parent", "--chdir", str(folder), "--"),
        *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "prosody"),
    ]
