"""A stick in a container: mounted where the container's root is, from where it reaches the container's own view."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.lab.process import execute
from sugar_deploy.lab.stick import MOUNT

# <linux/fs.h> FS_IOC_SHUTDOWN; 2: at once, without writing anything more.
_SHUTDOWN = 0x8004587D
_WITHOUT_A_WORD = 2


def plug(root: Path, file: Path, mode: str) -> None:
    """Put the stick whose image is FILE into the container at ROOT; MODE is ro or rw."""
    at = _at(root)
    if os.path.ismount(at):
        if not _gone(root).exists():
            raise DeployError("A stick is plugged in already", "Unplug it first")
        execute(("umount", "--lazy", str(at)))
    _gone(root).unlink(missing_ok=True)
    at.mkdir(parents=True, exist_ok=True)
    # A loop device of its own each time: that of a stick that was pulled out may still be held by who read from it.
    device = execute(("losetup", "--find", "--show", str(file))).strip()
    try:
        execute(("mount", "-o", mode, device, str(at)))
    finally:
        # As soon as nobody holds it any longer.
        execute(("losetup", "--detach", device))


def unplug(root: Path) -> None:
    """Take it out after it was unmounted in the container."""
    at = _at(root)
    if not os.path.ismount(at):
        raise DeployError("No stick is plugged in", "Plug one in first")
    execute(("umount", str(at)))


def yank(root: Path) -> None:
    """Pull it out without a word: what the container still has mounted gives errors from now on."""
    at = _at(root)
    if not os.path.ismount(at):
        raise DeployError("No stick is plugged in", "Plug one in first")
    descriptor = os.open(at, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WITHOUT_A_WORD))
    finally:
        os.close(descriptor)
    _gone(root).touch()


def _at(root: Path) -> Path:
    return root / MOUNT.lstrip("/")


def _gone(root: Path) -> Path:
    """There from when the stick was pulled out until another is plugged in."""
    return root.with_name("stick-pulled-out")
