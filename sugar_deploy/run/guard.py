"""Runs a command that must not outlive its parent, however the parent ends.

The parent holds the other end of this program's standard input. When that end is closed, by the parent's wish
or by its death, the command's whole process group is asked to stop, then told, then killed.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time

ASK = (signal.SIGINT, 10.0)
TELL = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""Signals with the seconds that each is given to work."""
INTERRUPTED = 130


def _stop(child: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> None:
    for number, grace_seconds in steps:
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + grace_seconds
        while time.monotonic() < deadline:
            child.poll()
            try:
                os.killpg(child.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)


def main(argv: list[str]) -> int:
    """Run ARGV to its end, or end it when standard input closes; returns its exit status."""
    # Started by a script with `&`, we would hand on that SIGINT is ignored, and asking would be in vain.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    descriptors = [int(number) for number in os.environ.get("SUGAR_DEPLOY_KEEP_FDS", "").split(",") if number]
    child = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        process_group=0,
        pass_fds=descriptors,
    )
    for descriptor in descriptors:
        os.close(descriptor)
    ended = os.pidfd_open(child.pid)
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        ready = {key.fd for key, _ in selector.select()}
    if ended in ready:
        status = child.wait()
        # Whatever the command left behind in its group ends with it.
        _stop(child, *TELL)
        return status if status >= 0 else 128 - status
    _stop(child, ASK, *TELL)
    return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
