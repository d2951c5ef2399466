"""Replaces a whole folder at once: whoever looks, before or after a crash, sees the old one or the new one."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import to_disk

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def replacing(out: Path, marker: str, what: str = "a rendered project") -> Iterator[tuple[Path, Path]]:
    """Yield an empty folder, mode 0700, that takes the place of OUT, yielded as well, if the block ends well.

    OUT may be missing, empty, or a folder that holds the file MARKER, which the block must write as well;
    anything else, which is not WHAT, is the deployer's own and is refused. Two processes that replace the same folder
    take turns.
    """
    out = out.resolve()
    refuse_foreign(out, marker, what)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {out.parent}: {error.strerror}") from error
    with _turn(out.parent):
        _recover(out)
        refuse_foreign(out, marker, what)
        draft = Path(tempfile.mkdtemp(prefix=_draft_prefix(out), dir=out.parent))
        try:
            yield draft, out
            _flush(draft)
            _swap(draft, out)
            to_disk(out.parent)
        finally:
            # After the swap this is the old folder.
            shutil.rmtree(draft, ignore_errors=True)


def refuse_foreign(out: Path, marker: str, what: str = "a rendered project") -> None:
    """Raise UsageError if OUT holds anything that an earlier replacement did not put there."""
    remedy = "Name another folder with -o, or empty this one yourself"
    try:
        entries = os.listdir(out)  # noqa: PTH208 (a missing folder and a file are told apart below)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        raise UsageError(f"{out} is a file, not a folder", remedy) from error
    except OSError as error:
        raise UsageError(f"cannot read the folder {out}: {error.strerror}", remedy) from error
    if entries and marker not in entries:
        raise UsageError(f"{out} is not {what} (it has no {marker}): not replacing it", remedy)


def _draft_prefix(out: Path) -> str:
    return f".{out.name}.new-"


def _kept(out: Path) -> Path:
    """Where the old folder waits while it is replaced on a filesystem that cannot exchange two names."""
    return out.with_name(f".{out.name}.old")


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    # The lock sits on the folder itself: it leaves no file behind and ends with its process, however that ends.
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(f"cannot read the folder {folder}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UsageError(f"cannot write into the folder {folder}", "Name another folder with -o")
        yield
    finally:
        os.close(descriptor)


def _recover(out: Path) -> None:
    """Undo and remove what a killed process has left; only called while it is our turn."""
    kept = _kept(out)
    if kept.exists():
        if out.exists():
            shutil.rmtree(kept)
        else:
            kept.rename(out)
    prefix = _draft_prefix(out)
    for stale in out.parent.iterdir():
        if stale.name.startswith(prefix) and stale.is_dir() and not stale.is_symlink():
            shutil.rmtree(stale)


def _swap(draft: Path, out: Path) -> None:
    if not out.exists():
        draft.rename(out)
        return
    if _exchange(draft, out):
        return
    # Not atomic, but never without a way back: _recover puts the old folder back if this ends in between.
    kept = _kept(out)
    out.rename(kept)
    draft.rename(out)
    shutil.rmtree(kept)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders' names in one step; False where the kernel or the filesystem cannot."""
    renameat2 = getattr(_LIBC, "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV}:
        return False
    raise DeployError(f"cannot replace {other}: {os.strerror(number)}")


def _flush(folder: Path) -> None:
    """Bring everything in the folder to the disk, before its name says that it is complete.

    One call for the filesystem: for a project of 10,000 schools 0.15 s, against a call per file.
    """
    syncfs = getattr(_LIBC, "syncfs", None)
    if syncfs is None:
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs(descriptor) != 0:
            raise DeployError(f"cannot write to the disk below {folder}: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(descriptor)
