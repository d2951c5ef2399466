"""Writes an image onto a device that nobody else may use meanwhile, and reads it back from the medium itself.

bmaptool writes as well, but closes the device when it has; a desktop then mounts the new filesystem and changes it
before it could be read back. Here the device is held from before the first byte until the last one was compared.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.image.flash.devices import Device
from sugar_deploy.image.flash.source import CHUNK, Source

Progress = Callable[[str, int, int], object]
"""Takes what is done, writing or reading back, and of how many bytes how many are."""
FIRST = 4096
"""Bytes with the partition table; they stay zeros until all else is there, so that half a stick starts nothing."""
_BLKRRPART = 0x125F  # <linux/fs.h>
_AGAIN = "Plug it in again, and run the same command: until then nothing starts from it. Nothing else was touched"


def flash(source: Source, device: Device, look_again: Callable[[], Device], progress: Progress) -> None:
    """Write the image onto the device, and prove it.

    LOOK_AGAIN tells what the device is once it is held: UsageError if that is not DEVICE any more. Raises DeployError
    where it is in use, was pulled out, fails, or does not give back what was written.
    """
    # Of whole pages, as a transfer past the page cache wants it.
    buffer = memoryview(mmap.mmap(-1, CHUNK))
    with _held(device) as descriptor:
        if look_again() != device or os.lseek(descriptor, 0, os.SEEK_END) != device.size:
            raise UsageError(f"{device.path} is another device than it was", "Look with `lsblk`, and begin again")
        written = _write(descriptor, source, buffer, device, progress)
        try:
            _read_back(descriptor, written, buffer, device, progress)
        except DeployError:
            # A medium that fails must start nothing either.
            first = min(FIRST, source.size)
            buffer[:first] = bytes(first)
            with suppress(OSError):
                _put(descriptor, buffer[:first], 0)
            raise
        with suppress(OSError):  # Not every device has partitions to be looked for anew.
            fcntl.ioctl(descriptor, _BLKRRPART)


@contextmanager
def _held(device: Device) -> Iterator[int]:
    """The device, open past the page cache, and claimed: what is mounted, swapped to or a member cannot be."""
    flags = os.O_RDWR | os.O_EXCL | os.O_DIRECT | os.O_CLOEXEC
    try:
        descriptor = os.open(device.path, flags)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise UsageError(f"{device.path} is in use by somebody", "Nothing was written") from None
        remedy = "Run it as root: sudo" if error.errno in {errno.EACCES, errno.EPERM} else "Plug it in again"
        raise DeployError(f"{device.path} cannot be opened: {error.strerror}", remedy) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _told(device: Device, doing: str) -> Iterator[None]:
    """What the kernel says when a device goes away or fails, in words."""
    try:
        yield
    except OSError as error:
        gone = "was pulled out" if not Path("/sys/dev/block", device.number).exists() else "was pulled out, or fails"
        raise DeployError(f"{device.path} {gone}, {doing} ({error.strerror})", _AGAIN) from None


def _write(
    descriptor: int, source: Source, buffer: memoryview, device: Device, progress: Progress
) -> list[tuple[int, int, bytes]]:
    """Each piece that was written: where, how long, and its SHA-256."""
    written, done, first = [], 0, b""
    with source.path.open("rb") as image:
        for at, length in source.pieces():
            image.seek(at)
            if image.readinto(buffer[:length]) != length:
                raise DeployError(f"{source.path} became shorter while it was read", _AGAIN)
            written.append((at, length, hashlib.sha256(buffer[:length]).digest()))
            if at == 0:
                first = bytes(buffer[: min(FIRST, length)])
                buffer[: len(first)] = bytes(len(first))
            with _told(device, f"writing at {at / 2**20:.1f} MiB"):
                _put(descriptor, buffer[:length], at)
            done += length
            progress("writing", done, source.to_write)
    buffer[: len(first)] = first
    with _told(device, "while what was written went to the medium"):
        os.fsync(descriptor)
        _put(descriptor, buffer[: len(first)], 0)
        os.fsync(descriptor)
    return written


def _read_back(
    descriptor: int,
    written: list[tuple[int, int, bytes]],
    buffer: memoryview,
    device: Device,
    progress: Progress,
) -> None:
    total, done = sum(length for _, length, _ in written), 0
    for at, length, digest in written:
        with _told(device, f"reading back at {at / 2**20:.1f} MiB"):
            _get(descriptor, buffer[:length], at)
        if hashlib.sha256(buffer[:length]).digest() != digest:
            raise DeployError(
                f"{device.path} does not give back what was written to it, at {at / 2**20:.1f} MiB",
                "It fails, or is smaller than it says: use another one",
            )
        done += length
        progress("reading back", done, total)


def _put(descriptor: int, data: memoryview, at: int) -> None:
    while data:
        count = os.pwrite(descriptor, data, at)
        data, at = data[count:], at + count


def _get(descriptor: int, into: memoryview, at: int) -> None:
    while into:
        count = os.preadv(descriptor, [into], at)
        if count == 0:
            raise OSError(errno.EIO, "it ends there")
        into, at = into[count:], at + count
