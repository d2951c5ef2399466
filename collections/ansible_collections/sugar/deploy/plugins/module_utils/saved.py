# SPDX-License-Identifier: GPL-3.0-or-later
"""A school's backup on the deployer's disk or stick.

    <school>/2026-11-26T170000Z.json   a manifest: what was saved then, by what, with hashes
    <school>/2026-11-26T170000Z.tar    settings, keys, accounts and databases as they were then; the latest KEPT stay
    <school>/trees/var-lib-sugar-backup/      a tree as it was at the latest backup
    <school>/trees/var-lib-sugar-backup.sums  the hash of each of its files
    <school>/gone/<date>/              files that later backups no longer found, or found changed, for KEPT_DAYS

A manifest is written last: what has none is not a backup. All is for its owner only, as it names children.
"""

from __future__ import annotations

import calendar
import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import time

from ansible_collections.sugar.deploy.plugins.module_utils.carried import sha256
from ansible_collections.sugar.deploy.plugins.module_utils.files import write

FORMAT = 1
KEPT = 10
KEPT_DAYS = 30
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")
_DAY_SECONDS = 24 * 3600


class SavedError(Exception):
    """The backup cannot be written or is not what it was; the message says why and what to do."""


def stamp(now):
    """A backup's name: its time, UTC. Without colons, which some file systems do not take."""
    return time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime(now))


class Saved:
    """One school's folder."""

    def __init__(self, folder):
        self.folder = folder

    def begin(self):
        """Make the folder, for its owner only, on a disk that can hold what servers have."""
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            os.chmod(self.folder, 0o700)
            self._ignore()
            self._try_out()
        except OSError as error:
            raise SavedError(
                f"{self.folder} cannot be written: {error.strerror}. Name another folder with --to"
            ) from None

    def _ignore(self):
        """The deployment's folder is made for version control; children's names are not."""
        path = os.path.join(os.path.dirname(self.folder), ".gitignore")
        if not os.path.exists(path):
            write(path, b"*\n", 0o644, os.geteuid(), os.getegid())

    def _try_out(self):
        trial = os.path.join(self.folder, ".trial")
        shutil.rmtree(trial, ignore_errors=True)
        os.mkdir(trial)
        try:
            one = os.path.join(trial, "a:b")
            with open(one, "x"):
                pass
            os.link(one, os.path.join(trial, "link"))
            os.symlink("a:b", os.path.join(trial, "symlink"))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            raise SavedError(
                f"the disk of {self.folder} holds no hard links, symbolic links or names with colons, as a stick "
                "with FAT does: format it with ext4, or name another folder with --to"
            ) from None
        finally:
            shutil.rmtree(trial, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self):
        """Nobody else writes or reads this backup meanwhile."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise SavedError(f"{self.folder} is in use by another backup or restore. Wait for it to end") from None
        finally:
            os.close(handle)

    def tree(self, path):
        """Where a server's tree is kept."""
        return os.path.join(self.folder, "trees", path.strip("/").replace("/", "-"))

    def index(self, path):
        """Where its hashes are."""
        return f"{self.tree(path)}.sums"

    def gone(self, date, path):
        """Where what a backup no longer finds is moved."""
        return os.path.join(self.folder, "gone", date, os.path.basename(self.tree(path)))

    def archive(self, date):
        """Where what is small is kept."""
        return os.path.join(self.folder, f"{date}.tar")

    def dates(self):
        """The names of all backups, the oldest first."""
        names = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        return sorted(name[:-5] for name in names if name.endswith(".json") and _DATE.fullmatch(name[:-5]))

    def complete(self, manifest):
        """Write the manifest, and forget what is too old."""
        date = manifest["made_at"]
        _flush(self.folder)
        data = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
        write(os.path.join(self.folder, f"{date}.json"), data, 0o600, os.geteuid(), os.getegid())
        for old in self.dates()[:-KEPT]:
            os.unlink(os.path.join(self.folder, f"{old}.json"))
        self._sweep(date)

    def _sweep(self, date):
        dates = set(self.dates())
        for name in os.listdir(self.folder):
            root, ending = os.path.splitext(name)
            if ending in (".tar", ".part") and root.split(".")[0] not in dates:
                os.unlink(os.path.join(self.folder, name))
        since = stamp(_seconds(date) - KEPT_DAYS * _DAY_SECONDS)
        gone = os.path.join(self.folder, "gone")
        for name in os.listdir(gone) if os.path.isdir(gone) else ():
            if name < since:
                shutil.rmtree(os.path.join(gone, name))

    def manifest(self, date):
        """What was saved then."""
        return _loaded(os.path.join(self.folder, f"{date}.json"))

    def read(self, date=""):
        """The manifest of the latest backup, or of that date, its archive proved."""
        dates = self.dates()
        if not dates:
            raise SavedError(
                f"{self.folder} holds no backup. Name the folder that `sugar-deploy backup` wrote: --from"
            )
        if date and date not in dates:
            raise SavedError(f"{self.folder} holds no backup of {date}. There are {', '.join(dates)}")
        manifest = self.manifest(date or dates[-1])
        archive = self.archive(manifest["made_at"])
        if not os.path.exists(archive) or sha256(archive) != manifest["state"]["sha256"]:
            others = ", ".join(other for other in dates if other != manifest["made_at"])
            rest = f"Those of {others} may be sound: --date" if others else "There is no other"
            raise SavedError(f"{archive} is damaged: it is not what was saved. {rest}")
        return manifest


def _loaded(path):
    try:
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
        if manifest["format"] > FORMAT:
            raise SavedError(f"{path} was written by a newer sugar-deploy: use that one")
        for key in ("school", "made_at", "machine", "versions", "paths", "bulk"):
            manifest[key]
        return manifest
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SavedError(f"{path} is damaged ({error})") from None


def _seconds(date):
    return calendar.timegm(time.strptime(date, "%Y-%m-%dT%H%M%SZ"))


def _flush(folder):
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
