# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash of every file in a saved tree, in a SQLite file beside it: files of one content, linked, are hashed once.

What has the same inode, size and time as before is not read again, so that a child's year of snapshots costs no more
than what is new in it; and what the disk has damaged since is found by reading it all (`damaged`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat

from ansible_collections.sugar.deploy.plugins.module_utils.carried import sha256

_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    inode INTEGER PRIMARY KEY,      -- on the disk where it was saved
    path BLOB NOT NULL,             -- one of its names, below the tree
    size INTEGER NOT NULL,
    mtime INTEGER NOT NULL,         -- in nanoseconds
    sha256 TEXT NOT NULL,
    round INTEGER NOT NULL          -- in which it was last seen
)
"""
_COMMIT_EVERY = 2000
_MOST_TOLD = 20


class Sums:
    """The hashes of one tree."""

    def __init__(self, tree, index):
        self.tree, self.index = tree, index

    @contextlib.contextmanager
    def _open(self):
        with contextlib.closing(sqlite3.connect(self.index, timeout=60)) as database:
            os.chmod(self.index, 0o600)
            database.execute(_TABLE)
            yield database
            database.commit()

    def renew(self, watch, afresh=False):
        """Hash what is new, or with AFRESH everything; returns the numbers of files and bytes, links once.

        WATCH(bytes) hears how much has been looked at. Cut off, what was hashed so far need not be hashed again.
        """
        with self._open() as database:
            now = database.execute("SELECT coalesce(max(round), 0) + 1 FROM files").fetchone()[0]
            done = 0
            for number, (path, status) in enumerate(_files(self.tree)):
                if self._take(database, now, path, status, afresh):
                    done += status.st_size
                if number % _COMMIT_EVERY == 0:
                    database.commit()
                    watch(done)
            database.execute("DELETE FROM files WHERE round <> ?", (now,))
            return database.execute("SELECT count(*), coalesce(sum(size), 0) FROM files").fetchone()

    def _take(self, database, now, path, status, afresh):
        """Whether the file is not yet counted in this round."""
        inode, size, mtime = _signed(status.st_ino), status.st_size, status.st_mtime_ns
        known = database.execute("SELECT size, mtime, round FROM files WHERE inode = ?", (inode,)).fetchone()
        if known and known[2] == now:
            return False
        name = os.fsencode(os.path.relpath(path, self.tree))
        if known and known[:2] == (size, mtime) and not afresh:
            database.execute("UPDATE files SET round = ?, path = ? WHERE inode = ?", (now, name, inode))
        else:
            row = (inode, name, size, mtime, sha256(path), now)
            database.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", row)
        return True

    def damaged(self, watch):
        """Read everything; returns names of files that are gone or not what they were, some of many, and how many."""
        told, number, done = [], 0, 0
        if not os.path.exists(self.index):
            return [os.path.basename(self.index)], 1
        try:
            with self._open() as database:
                for name, size, digest in database.execute("SELECT path, size, sha256 FROM files ORDER BY inode"):
                    path = os.path.join(os.fsencode(self.tree), name)
                    if not _is(path, size, digest):
                        number += 1
                        told += [os.fsdecode(name)] if len(told) < _MOST_TOLD else []
                    done += size
                    watch(done)
        except sqlite3.DatabaseError:
            return [os.path.basename(self.index)], 1
        return told, number


def _is(path, size, digest):
    try:
        return os.path.getsize(path) == size and sha256(path) == digest
    except OSError:
        return False


def _signed(number):
    """An inode's number as SQLite keeps it, in 64 bits."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _files(tree):
    """Paths and states of all regular files below a folder, in an order that stays."""
    waiting = [tree]
    while waiting:
        with os.scandir(waiting.pop()) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                waiting.append(entry.path)
            elif stat.S_ISREG(status.st_mode):
                yield entry.path, status
