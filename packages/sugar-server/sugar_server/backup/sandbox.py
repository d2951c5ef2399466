# SPDX-License-Identifier: GPL-3.0-or-later
"""rsync alone with one folder: bubblewrap gives it namespaces of its own, in which nothing else exists.

So neither a fault in rsync nor a link planted in a Journal leads to another child's home.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_RSYNC = "/usr/bin/rsync"
_INSIDE = "/backup"
_LARGEST_MEMORY = 512 * 1024 * 1024
"""Address space for the data of one rsync: zstd reserves half of it, the list of a million files takes the rest. More
would be no Journal."""
_BWRAP = (
    "/usr/bin/bwrap",
    *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"),
    *("--cap-drop", "ALL", "--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "LC_ALL", "C.UTF-8"),
    *("--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"),
    *("--dev-bind", "/dev/null", "/dev/null"),
)


class NoSandbox(Exception):
    """Programs cannot be confined on this machine; the message says what to do."""


def check() -> None:
    """Raises NoSandbox where bubblewrap does not work."""
    try:
        done = subprocess.run(
            [*_BWRAP, "--", _RSYNC, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
        why = "" if done.returncode == 0 else done.stderr.strip() or f"status {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    if why:
        raise NoSandbox(
            f"Transfers cannot be confined: {why}. Install bubblewrap and let users make namespaces "
            "(sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone), "
            "or write sandbox = no under [backup] to do without."
        )


def argv(folder: Path, options: tuple[str, ...], *, writable: bool, largest_file: int | None = None) -> list[str]:
    """rsync with OPTIONS, confined to FOLDER, in which it also runs."""
    bind = "--bind" if writable else "--ro-bind"
    confined = [*_BWRAP, bind, str(folder), _INSIDE, "--chdir", _INSIDE, "--", _RSYNC, *options]
    return [*_limits(largest_file), *confined]


def argv_unconfined(options: tuple[str, ...], largest_file: int | None = None) -> list[str]:
    """The same where there is no sandbox: whoever starts it does so in the folder."""
    return [*_limits(largest_file), _RSYNC, *options]


def _limits(largest_file: int | None) -> list[str]:
    files = [] if largest_file is None else [f"--fsize={largest_file}"]
    return ["/usr/bin/prlimit", "--core=0", f"--data={_LARGEST_MEMORY}", *files, "--", "/usr/bin/nice"]
