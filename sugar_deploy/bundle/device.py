"""The stick under our hands: full, read-only, failing, or gone; each told in words, with what to do."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError

_AGAIN = "run the same command again: it carries on where it stopped"
_GONE = frozenset({errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENOTCONN})
_CHUNK = 2**20


class StickFailed(DeployError):
    """The stick was taken away, is full, or does not work."""


@dataclass(frozen=True, slots=True)
class Stick:
    """A folder on a device, which must stay that device's while we write."""

    root: Path
    identity: tuple[int, int]
    """Device and inode of the root when we began."""

    def require_present(self) -> None:
        """Raise StickFailed if another filesystem is there now, as when the stick was taken away.

        What is written then would fill the deployer's own disk below the mount point.
        """
        with told(self.root):
            if _identity(self.root) != self.identity:
                raise StickFailed(f"the stick at {self.root} has gone", f"Plug it in again, and {_AGAIN}")

    def sync(self) -> None:
        """Bring everything to the stick."""
        with told(self.root):
            flush(self.root)
        self.require_present()


def stick(root: Path) -> Stick:
    """The folder as it is now."""
    with told(root):
        return Stick(root, _identity(root))


def _identity(root: Path) -> tuple[int, int]:
    status = root.stat()
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def told(root: Path) -> Iterator[None]:
    """Turn what the system says about the stick into an error that a person can act upon."""
    try:
        yield
    except OSError as error:
        raise explained(root, error) from error


def explained(root: Path, error: OSError) -> StickFailed:
    """The error in words."""
    reason = error.strerror or str(error)
    if error.errno == errno.ENOSPC and _has_room(root):
        # The medium ran out of room, not its filesystem: a forged stick, or one that is worn out.
        return StickFailed(
            f"the stick at {root} fails ({reason}), although its filesystem has room: it holds less than it says",
            "Check it (f3probe), or use another stick",
        )
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StickFailed(
            f"there is no room left on {root} ({reason})",
            f"Make room, or choose less (--suite, --architecture, --since); then {_AGAIN}",
        )
    if error.errno == errno.EROFS:
        return StickFailed(
            f"{root} is read-only ({reason})",
            "It has a write lock, or failed and was protected by the system: unlock it or check it (fsck); "
            f"then plug it in and {_AGAIN}. If that fails as well, use another stick",
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return StickFailed(
            f"{error.filename or root} cannot be written ({reason})", f"Mend its permissions, and {_AGAIN}"
        )
    if error.errno in _GONE:
        return StickFailed(
            f"the stick at {root} has gone, or fails ({reason})",
            f"Plug it in and {_AGAIN}. If that fails as well, use another stick",
        )
    return StickFailed(f"{error.filename or root}: {reason}", f"Plug the stick in and {_AGAIN}")


def _has_room(root: Path) -> bool:
    """Whether a filesystem has room for more than what one write brings, in bytes and in files."""
    try:
        found = os.statvfs(root)
    except OSError:
        return False
    # FAT has no count of files, and says 0 of 0.
    return found.f_bavail * found.f_frsize > 2 * _CHUNK and (not found.f_files or found.f_favail > 0)


def flush(folder: Path) -> None:
    """Bring a folder's whole filesystem to the disk, and fail if it could not be."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the stick for ourselves: two that write at once would spoil each other's work."""
    with told(root):
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeployError(f"another process writes to {root}", "Wait until it has ended") from None
        except OSError:
            pass  # a filesystem without locks
        yield
    finally:
        os.close(descriptor)


def read_chunks(path: Path) -> Iterator[bytes]:
    """A file's bytes as the device has them, not as the memory remembers them."""
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while chunk := file.read(_CHUNK):
            yield chunk
