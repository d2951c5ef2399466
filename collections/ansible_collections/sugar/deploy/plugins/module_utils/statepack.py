# SPDX-License-Identifier: GPL-3.0-or-later
"""What only one server knows, in one tar file: settings, keys, accounts, and its databases as sound copies.

Services go on meanwhile. A SQLite file is copied by SQLite itself, so that what is in its journal is in the copy, and
looked through: a damaged one is told, and takes the place of no earlier copy. Owners are kept by name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import tarfile
import tempfile
from contextlib import closing

from ansible_collections.sugar.deploy.plugins.module_utils.carried import megabytes, sha256
from ansible_collections.sugar.deploy.plugins.module_utils.room import MARGIN_BYTES, free_bytes

NAME = "state.tar"
_MAGIC = b"SQLite format 3\0"
_JOURNALS = ("-wal", "-shm", "-journal")


class StateError(Exception):
    """What a server knows cannot be packed or unpacked; the message says why and what to do."""


def pack(paths, folder):
    """Write what there is of the paths to FOLDER/state.tar; returns its size and hash."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, mode=0o700)
    target = os.path.join(folder, NAME)
    _require_room(paths, folder)
    try:
        with tarfile.open(target, "x", format=tarfile.PAX_FORMAT) as tar:
            os.chmod(target, 0o600)
            for path in sorted(paths):
                for found in _below(path):
                    _add(tar, found, folder)
    except StateError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StateError(_no_room(folder, paths)) from None
        raise StateError(f"{error.filename or folder} cannot be copied: {error.strerror or error}") from None
    return os.path.getsize(target), sha256(target)


def _require_room(paths, folder):
    # The archive, and each database's copy before it is in there.
    if free_bytes(folder) < _need(paths):
        shutil.rmtree(folder, ignore_errors=True)
        raise StateError(_no_room(folder, paths))


def _need(paths):
    sizes = [os.lstat(found).st_size + 2048 for path in paths for found in _below(path)]
    return sum(sizes) + max(sizes, default=0) + MARGIN_BYTES


def _no_room(folder, paths):
    return (
        f"there is not enough free space in {os.path.dirname(folder)} for a copy: {megabytes(_need(paths))} MB are "
        f"needed and {megabytes(free_bytes(os.path.dirname(folder)))} MB are free"
    )


def _below(path):
    """The path and all below it, folders before what is in them; links are not followed."""
    if not os.path.lexists(path):
        return
    yield path
    if os.path.isdir(path) and not os.path.islink(path):
        for name in sorted(os.listdir(path)):
            yield from _below(os.path.join(path, name))


def _add(tar, path, scratch):
    try:
        member = tar.gettarinfo(path, arcname=path.lstrip("/"))
    except FileNotFoundError:  # gone since it was listed
        return
    if member is None:  # a socket
        return
    if member.islnk():
        # Of two names each becomes a file: one may be a database, which is written anew.
        member.type = tarfile.REGTYPE
    if not member.isreg():
        if member.isdir() or member.issym():
            tar.addfile(member)
        return
    if _journal_of_database(path):
        return
    with _content(path, scratch) as content:
        member.size = os.fstat(content.fileno()).st_size
        tar.addfile(member, content)


@contextlib.contextmanager
def _content(path, scratch):
    """The file as it is at one moment: others write it meanwhile."""
    with tempfile.NamedTemporaryFile(dir=scratch) as kept:
        if is_database(path):
            _copy_database(path, kept.name)
        else:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(handle, "rb") as source:
                shutil.copyfileobj(source, kept)
            kept.flush()
            kept.seek(0)
        yield kept


def is_database(path):
    """Whether it is a SQLite file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            return stat.S_ISREG(os.fstat(handle).st_mode) and file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def _journal_of_database(path):
    return any(path.endswith(ending) and is_database(path[: -len(ending)]) for ending in _JOURNALS)


def _copy_database(path, target):
    try:
        uri = f"file:{_quoted(path)}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=60)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        found = str(error)
        if "full" in found:
            raise OSError(errno.ENOSPC, found, path) from None
    if found != "ok":
        raise StateError(
            f"the database {path} is damaged ({found}). On the server, `sugar-server restore-database` puts its "
            "latest sound copy back; then back up again. Earlier backups are as they were"
        )


def _quoted(path):
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def owners(archive):
    """The names of all owners and groups in an archive."""
    try:
        with tarfile.open(archive) as tar:
            members = tar.getmembers()
    except (tarfile.TarError, EOFError) as error:
        raise StateError(f"{archive} cannot be read: {error}") from None
    return {member.uname for member in members}, {member.gname for member in members}


def unpack(archive, folder):
    """Put its content below FOLDER, under full paths and with its owners: GNU tar looks them up by name."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, mode=0o700)
    argv = ["tar", "--extract", "--file", archive, "--directory", folder, "--same-owner", "--preserve-permissions"]
    done = subprocess.run(argv, capture_output=True, check=False, env=dict(os.environ, LC_ALL="C"))
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"status {done.returncode}"]
        raise StateError(f"{archive} cannot be unpacked: {said[0]}")
