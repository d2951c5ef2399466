"""Which files are opened meanwhile, by whatever process: what inotify(7) says."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_IN_OPEN = 0x20
_IN_Q_OVERFLOW = 0x4000
_IN_ISDIR = 0x40000000
_HEAD = struct.Struct("iIII")


@contextlib.contextmanager
def opened(*roots: Path) -> Iterator[list[Path]]:
    """Fills the list, when the `with` ends, with the files below the roots that were opened, once for each time."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert descriptor >= 0, os.strerror(ctypes.get_errno())
    watched: dict[int, Path] = {}
    found: list[Path] = []
    try:
        for root in roots:
            for parent, _folders, _files in os.walk(root):
                watch = libc.inotify_add_watch(descriptor, os.fsencode(parent), _IN_OPEN)
                assert watch >= 0, os.strerror(ctypes.get_errno())
                watched[watch] = Path(parent)
        yield found
        found += _events(descriptor, watched)
    finally:
        os.close(descriptor)


def _events(descriptor: int, watched: dict[int, Path]) -> Iterator[Path]:
    while True:
        try:
            data = os.read(descriptor, 2**16)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            watch, mask, _cookie, size = _HEAD.unpack_from(data, at)
            name = data[at + _HEAD.size : at + _HEAD.size + size].rstrip(b"\0")
            at += _HEAD.size + size
            assert not mask & _IN_Q_OVERFLOW, "more was opened than could be noted"
            if name and not mask & _IN_ISDIR:
                yield watched[watch] / os.fsdecode(name)
