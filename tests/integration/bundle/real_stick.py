"""Sticks as people have them: FAT32 and exFAT, which are written to and read like any folder."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MIB = 2**20
FORMAT = {"fat32": ("mkfs.vfat", "-F", "32"), "exfat": ("mkfs.exfat",)}
CHECK = {"fat32": ("fsck.vfat", "-n"), "exfat": ("fsck.exfat", "-n")}
_KERNEL = {"fat32": "vfat", "exfat": "exfat"}
# The kernels of many containers and small machines have neither. The drivers in user space are not those of a
# school's server, but the filesystem is a real one, which fsck proves afterwards. FAT's spoils a file that is written
# over, and the FAT with it: there a stick is only written once.
_USER_SPACE = {"fat32": ("fusefat", "-o", "rw+"), "exfat": ("mount.exfat-fuse",)}


def formatted(kind: str, image: Path, size: int) -> Path:
    """An image of so many bytes, formatted with the usual settings."""
    with image.open("wb") as file:
        file.truncate(size)
    _run(*FORMAT[kind], str(image))
    return image


@contextmanager
def mounted(kind: str, image: Path, at: Path) -> Iterator[Path]:
    """The image of a stick, mounted; afterwards its filesystem is whole."""
    at.mkdir()
    driver = _KERNEL[kind]
    # fusefat takes the image itself, and exFAT's driver is the one of a block device only where it is given one.
    device = "" if kind == "fat32" else _run("losetup", "--find", "--show", str(image)).strip()
    try:
        if driver in Path("/proc/filesystems").read_text().split():
            _run("mount", "-t", driver, *(() if device else ("-o", "loop")), device or str(image), str(at))
        else:
            _run(*_USER_SPACE[kind], device or str(image), str(at))
        try:
            yield at
        finally:
            _run("umount", str(at))
            _end_driver(device or str(image))
    finally:
        if device:
            _run("losetup", "--detach", device)
    _run(*CHECK[kind], str(image))


def _end_driver(device: str) -> None:
    """Have a driver in user space write the last of it, and end.

    It does so by itself after the last umount, but whoever has made a mount namespace meanwhile, as other tests do,
    holds a mount of its own for as long as it lives.
    """
    deadline = time.monotonic() + 60
    while drivers := [process for process in Path("/proc").glob("[0-9]*") if device.encode() in _words(process)]:
        assert time.monotonic() < deadline, f"the driver of {device} does not end"
        for process in drivers:
            with suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGTERM)
        time.sleep(0.02)


def _words(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _run(*argv: str) -> str:
    # The formatters are where only root's path leads.
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert done.returncode == 0, f"{argv}: {done.stdout}"
    return done.stdout
