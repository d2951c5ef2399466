# SPDX-License-Identifier: GPL-3.0-or-later
"""The carried repository on a server: a folder for each state, each sharing its files with the one before."""

from __future__ import annotations

import base64
import ctypes
import errno
import hashlib
import json
import os
import shutil
import stat
import tarfile
import zlib

BLOCK = 1 << 20
# apt reads it as a user of its own.
FOLDER_MODE = 0o755
# What the server needs besides: package lists, logs, and the state's own folders and links.
MARGIN_BYTES = 32 << 20
SPACE = "there is not enough free space in {folder}: the repository needs {need} MB and {free} MB are free"


class CarryError(Exception):
    """The state cannot be made; the one in use is untouched."""


def packed(files):
    """A list of [path, size, sha256] as text for a module's argument."""
    return base64.b64encode(zlib.compress(json.dumps(files).encode(), 9)).decode()


def unpacked(text):
    """The list from its text; each path stays below the folder that it is for."""
    files = json.loads(zlib.decompress(base64.b64decode(text)))
    for path, _size, _sha256 in files:
        if os.path.isabs(path) or ".." in path.split("/") or not path:
            raise CarryError(f"{path} is no path of a repository's file")
    return files


def sha256(path):
    """The hash of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


class States:
    """The states below a folder, and the link that names the one in use."""

    def __init__(self, folder):
        self.folder = folder
        self.link = os.path.join(folder, "repository")
        self.draft = os.path.join(folder, ".repository-draft")
        # What an earlier draft, cut off, has already brought.
        self.remains = os.path.join(folder, ".repository-remains")
        self.arrived = os.path.join(folder, ".repository-arrived")

    def path(self, state):
        """The folder of a state, named by its hash."""
        return os.path.join(self.folder, f"repository-{state[:16]}")

    def in_use(self):
        """The folder that the link names; empty where there is none."""
        try:
            return os.path.normpath(os.path.join(self.folder, os.readlink(self.link)))
        except OSError:
            return ""

    def all(self):
        """Every whole state."""
        names = sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []
        paths = [os.path.join(self.folder, name) for name in names if name.startswith("repository-")]
        return [path for path in paths if os.path.isdir(path) and not os.path.islink(path)]

    def free_bytes(self):
        """Free space for the states."""
        folder = self.folder
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize

    def have(self, files):
        """Where content that is wanted lies already, by its hash; every byte of it is read."""
        sizes = {size for _path, size, _sha256 in files}
        found, read = {}, set()
        for top in [*self.all(), self.draft, self.remains]:
            for folder, _names, names in os.walk(top):
                for name in names:
                    path = os.path.join(folder, name)
                    status = os.lstat(path)
                    same = (status.st_dev, status.st_ino)
                    if stat.S_ISREG(status.st_mode) and status.st_size in sizes and same not in read:
                        read.add(same)
                        found.setdefault(sha256(path), path)
        return found

    def require_space(self, need):
        """Raise CarryError where so many bytes do not fit."""
        free = self.free_bytes()
        if need and free < need + MARGIN_BYTES:
            raise CarryError(_no_space(self.folder, need, free))

    def make(self, state, files, bringing):
        """Make the folder of a state; BRINGING(folder) gives what brings a content to a path. All of it is proved."""
        self._begin()
        try:
            have = self.have(files)
            bring = bringing(self.arrived)
            for path, size, digest in files:
                self._place(os.path.join(self.draft, path), size, digest, have, bring)
            for folder, _names, _files in os.walk(self.draft):
                os.chmod(folder, FOLDER_MODE)
            sync_filesystem(self.draft)
            os.rename(self.draft, self.path(state))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                shutil.rmtree(self.draft, ignore_errors=True)
                need = sum(size for _path, size, _sha256 in files)
                raise CarryError(_no_space(self.folder, need, self.free_bytes())) from None
            raise CarryError(f"{error.filename or self.folder}: {error.strerror}") from None
        finally:
            shutil.rmtree(self.remains, ignore_errors=True)
            shutil.rmtree(self.arrived, ignore_errors=True)
        sync_folder(self.folder)

    def _begin(self):
        os.makedirs(self.folder, mode=0o755, exist_ok=True)
        if os.path.isdir(self.draft):
            shutil.rmtree(self.remains, ignore_errors=True)
            os.rename(self.draft, self.remains)
        os.mkdir(self.draft, 0o755)
        shutil.rmtree(self.arrived, ignore_errors=True)
        os.mkdir(self.arrived, 0o700)

    def _place(self, path, size, digest, have, bring):
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        if digest in have:
            link_or_copy(have[digest], path)
        else:
            arrived = bring(digest, path)
            if arrived != digest or os.path.getsize(path) != size:
                raise CarryError(f"{os.path.relpath(path, self.draft)} has arrived damaged")
            have[digest] = path
        os.chmod(path, 0o644)
        os.chown(path, os.geteuid(), os.getegid())

    def remove_others(self, keep, dry=False):
        """Remove every state but these, and what a cut-off copy has left; returns what it was."""
        left = [self.draft, self.remains, self.arrived]
        gone = [path for path in [*self.all(), *left] if path not in keep and os.path.isdir(path)]
        for path in [] if dry else gone:
            # Under its own name a half-removed state would be taken for a whole one.
            doomed = os.path.join(self.folder, ".repository-doomed")
            shutil.rmtree(doomed, ignore_errors=True)
            os.rename(path, doomed)
            shutil.rmtree(doomed)
        return gone


def from_tree(tree, files):
    """For make(): copies from a tree on this machine, each file read once."""
    places = {}
    for path, _size, digest in files:
        places.setdefault(digest, os.path.join(tree, path))

    def bring(digest, target):
        if digest not in places:
            raise CarryError("the server no longer has a file that this bundle builds upon: use a complete bundle")
        try:
            with open(places[digest], "rb") as source:
                return _write(source, target)
        except FileNotFoundError:
            raise CarryError(f"{places[digest]} is missing: copy the bundle again") from None

    return bring


def from_archive(archive, folder):
    """For make(): takes from a tar file whose members are named by their hash, read once and from front to back."""
    arrived = {}
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                name = os.path.basename(member.name)
                if member.isfile():
                    arrived[name] = _write(tar.extractfile(member), os.path.join(folder, name))
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CarryError(f"what has arrived cannot be read ({error}): apply again") from None

    def bring(digest, target):
        if digest not in arrived:
            raise CarryError("what has arrived is incomplete: apply again")
        os.rename(os.path.join(folder, digest), target)
        return arrived[digest]

    return bring


def _write(source, target):
    digest = hashlib.sha256()
    with open(target, "xb") as out:
        while block := source.read(BLOCK):
            digest.update(block)
            out.write(block)
    return digest.hexdigest()


def link_or_copy(source, target):
    """A hard link, or a copy where the filesystem has none."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        shutil.copyfile(source, target)


def sync_filesystem(folder):
    """Have everything in the folder on the disk itself."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)
    finally:
        os.close(handle)


def sync_folder(folder):
    """Have a folder's entries on the disk itself."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _no_space(folder, need, free):
    return SPACE.format(folder=folder, need=megabytes(need), free=megabytes(free))


def megabytes(size):
    """Rounded up."""
    return -(-size // 1_000_000)
