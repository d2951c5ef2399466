# SPDX-License-Identifier: GPL-3.0-or-later
"""rsync between the deployer's machine and a server: what is there already does not travel again, links stay links.

What was cut off in the middle of a large file goes on from there. Owners do not travel: on the deployer's disk all is
the deployer's, and on a server all of a tree belongs to whom the tree belongs to.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

from ansible_collections.sugar.deploy.plugins.module_utils.passing import VARIABLE

PATIENCE_SECONDS = 300
"""With a line on which nothing comes."""
VANISHED = 24
# Without -o and -g, devices and sockets. Hidden from both sides: what an earlier restore has left there.
OPTIONS = ("-rlptH", "--delete-delay", "--partial-dir=.sugar-deploy-partial", "--exclude=/.sugar-deploy-*",
           "--info=progress2", "--no-human-readable", f"--timeout={PATIENCE_SECONDS}")  # fmt: skip
_PROGRESS = re.compile(r"^\s*([\d,]+)\s+(\d+)%\s+(\S+)")
_NOISE = re.compile(r"rsync error: |rsync: (\[\w+\] )?connection unexpectedly closed|^\s*$")
_FULL = re.compile(r"No space left on device|Disk quota exceeded")


class TransferError(Exception):
    """What is to travel has not wholly arrived; the next run goes on. The message says why."""


class Line:
    """The way to a server: the ssh command up to the host, the host, and how one becomes root there."""

    def __init__(self, ssh=(), host="", become=(), password=None):
        self.ssh, self.host, self.become, self.password = tuple(ssh), host, tuple(become), password

    def options(self):
        """rsync's."""
        if not self.host:
            return ()
        through = self.ssh
        if self.password is not None:
            through = (sys.executable, os.path.join(os.path.dirname(__file__), "passing.py"), *self.ssh)
        remote = (*self.become, "rsync")
        return ("-e", shlex.join(through), f"--rsync-path={shlex.join(remote)}")

    def place(self, path):
        """A path on the server, as rsync names it."""
        return f"{self.host}:{path}" if self.host else path

    def environment(self):
        """For rsync."""
        own = {**os.environ, "LC_ALL": "C"}
        return own if self.password is None else {**own, VARIABLE: self.password}


def fetching(line, tree, target, gone, checksum=False):
    """The argv that makes TARGET what TREE is on the server; what it replaces or removes goes to GONE."""
    more = ("--backup", f"--backup-dir={gone}", *(("--checksum",) if checksum else ()))
    return ("rsync", *OPTIONS, *more, *line.options(), line.place(f"{tree}/"), f"{target}/")


def bringing(line, source, place, owner):
    """The argv that makes PLACE on the server what SOURCE is here."""
    owning = ("--owner", "--group", f"--chown={owner}")
    return ("rsync", *OPTIONS, *owning, *line.options(), f"{source}/", line.place(f"{place}/"))


def one_file(line, source, target, outward=False):
    """The argv that copies one file, from the server or OUTWARD to it."""
    places = (source, line.place(target)) if outward else (line.place(source), target)
    options = ("--partial", "--inplace", "--chmod=F600", f"--timeout={PATIENCE_SECONDS}")
    return ("rsync", *options, "--info=progress2", "--no-human-readable", *line.options(), *places)


def carry(argv, line, watch, where):
    """Run it to its end; WATCH(bytes, percent, speed) hears how far it is. It ends with its caller.

    WHERE it writes to is told if there is no room left.
    """
    process = subprocess.Popen(
        ("setpriv", "--pdeathsig", "TERM", *argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=line.environment(), bufsize=0,
    )  # fmt: skip
    said = []
    try:
        for text in _lines(process.stdout):
            found = _PROGRESS.match(text)
            if found:
                watch(int(found[1].replace(",", "")), int(found[2]), found[3])
            elif not _NOISE.search(text):
                said = [*said[-9:], text.strip()]
    except BaseException:
        process.terminate()
        raise
    finally:
        status = process.wait()
    if status not in (0, VANISHED):
        raise TransferError(_told(said, status, where))


def _lines(stream):
    """Ended by a line feed or, as progress is, by a carriage return."""
    rest = b""
    while block := stream.read(65536):
        *whole, rest = re.split(rb"[\r\n]", rest + block)
        yield from (text.decode("utf-8", "replace") for text in whole)
    if rest:
        yield rest.decode("utf-8", "replace")


def _told(said, status, where):
    if any(_FULL.search(text) for text in said):
        return f"there is no room left in {where}. Make room there, or take a larger disk, and run this again"
    why = said[0].rstrip(".") if said else f"rsync ended with status {status}"
    return f"{why}. What has arrived is kept; run this again to go on from there"
