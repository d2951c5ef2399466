# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs its arguments, with a password's line before standard input: `sudo -S` reads just that line, rsync the rest.

For rsync's -e, where the administrator of a server becomes root by a password. That comes in the environment, which
nobody but this user can read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading

VARIABLE = "SUGAR_DEPLOY_BECOME"


def _pass(password, target):
    with contextlib.suppress(BrokenPipeError), target:  # it has ended, and its status says why
        target.write(password.encode() + b"\n")
        with open(0, "rb", buffering=0, closefd=False) as source:
            shutil.copyfileobj(source, target, 65536)


def main():
    """Run it; ends with it, though rsync may still wait for an answer."""
    password = os.environ.pop(VARIABLE)
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, bufsize=0)
    threading.Thread(target=_pass, args=(password, process.stdin), daemon=True).start()
    os._exit(process.wait() % 256)


if __name__ == "__main__":
    main()
