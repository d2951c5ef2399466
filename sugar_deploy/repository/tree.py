"""The published tree as a whole: staged aside, then put in place in one step."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath

from sugar_deploy.folder import SNAPSHOT_RECORD

SNAPSHOT = "snapshot"
RECORD = SNAPSHOT_RECORD
SIGNATURES = ("InRelease", "Release.gpg")
# apt asks for an index by the strongest hash that the Release file lists; the weaker ones would only be more files
# to carry to every server.
_UNUSED_HASHES = {"MD5Sum", "SHA1", "SHA256"}
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def stage(source: Path, target: Path, suites: Collection[str]) -> None:
    """Copy aptly's tree by hard links, for these suites.

    aptly's symbolic links are left out: they are its own bookkeeping, and hold absolute paths of this machine. So
    are its own signatures of the whole: one key is all that it can sign with.
    """

    def wanted(path: PurePosixPath) -> bool:
        if path.parent == PurePosixPath("dists"):
            return path.name in suites
        return not (path.parent.name == "by-hash" and path.name in _UNUSED_HASHES) and path.name not in SIGNATURES

    link_tree(source, target, wanted)


def link_tree(source: Path, target: Path, wanted: Callable[[PurePosixPath], bool] = lambda _path: True) -> None:
    """Copy a tree's wanted folders and files by hard links, readable by everybody; symbolic links are left out."""
    remove(target)
    target.mkdir(parents=True)
    target.chmod(0o755)
    for parent, folders, files in os.walk(source):
        here = Path(parent)
        relative = PurePosixPath(here.relative_to(source).as_posix())
        folders[:] = sorted(name for name in folders if wanted(relative / name))
        for name in folders:
            (target / relative / name).mkdir()
            (target / relative / name).chmod(0o755)
        for name in files:
            if wanted(relative / name) and not (here / name).is_symlink():
                _link(here / name, target / relative / name)
                (target / relative / name).chmod(0o644)


def _link(path: Path, copy: Path) -> None:
    try:
        os.link(path, copy)
    except OSError:  # a file system without hard links, as on many sticks
        shutil.copyfile(path, copy)


def put_in_place(staged: Path, published: Path) -> None:
    """Make a staged tree the published one, so that no moment shows half of each."""
    if published.is_dir() and _exchange(staged, published):
        remove(staged)
    elif published.exists():
        old = published.with_name(f"{published.name}.old")
        remove(old)
        published.rename(old)
        staged.rename(published)
        remove(old)
    else:
        staged.rename(published)


def _exchange(one: Path, other: Path) -> bool:
    """Whether the kernel and the file system swapped two names in one step."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    first, second = os.fsencode(one), os.fsencode(other)
    status: int = renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE)
    return status == 0


def remove(path: Path) -> None:
    """Remove a tree or a file, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
