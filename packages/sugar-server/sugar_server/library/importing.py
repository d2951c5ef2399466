# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a stick's bundles into the library: first all of them are copied and compared, then each gets its name.

What was copied before an interruption is not copied again, and a bundle that the library has already stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from sugar_server.library.archive import Refused
from sugar_server.library.bundle import MIME_TYPES, Bundle, read
from sugar_server.library.stick import TAKEN, Stick, Unsound, digest

_INCOMING = ".import"
_ROOM_BYTES = 64 * 1024 * 1024
"""That the copies have to leave free."""


class Busy(Exception):
    """Another import is under way."""


class NoRoom(Exception):
    """The library's disk is too small for it; the message says what to do."""


def take(stick: Stick, folder: Path, largest: int) -> Iterator[tuple[str, str | Refused]]:
    """Each file of the stick with the name that it has in the library, or with why it is refused.

    Raises Unsound, and takes nothing, where one file is not what the manifest says.
    """
    incoming = folder / _INCOMING
    incoming.mkdir(exist_ok=True)
    with _alone(incoming):
        copies = _copied(stick, incoming)
        for name, copy in copies.items():
            try:
                target = folder / (_bundle_name(copy, largest) if copy.suffix in MIME_TYPES else name)
            except Refused as error:
                yield name, error
                continue
            if not target.exists() or _digest(target, stick.kind) != stick.sums[name]:
                copy.replace(target)
            yield name, target.name
    shutil.rmtree(incoming)


def file_name(bundle: Bundle) -> str:
    """Under which a bundle is kept: it says which one it is."""
    return re.sub("[^A-Za-z0-9._+~-]", "_", f"{bundle.bundle_id}-{bundle.version}{bundle.kind}")


def _copied(stick: Stick, incoming: Path) -> dict[str, Path]:
    """The copy of each file that is to be taken; every file of the stick is compared."""
    wanted = {name: incoming / _copy_name(name, value) for name, value in stick.sums.items() if _is_taken(name)}
    for path in incoming.iterdir():
        if path not in wanted.values() or _digest(path, stick.kind) != path.name.partition("-")[0]:
            path.unlink()  # of another stick, or not whole
    _require_room(incoming, [stick.files[name] for name, copy in wanted.items() if not copy.exists()])
    faults = []
    for name, value in stick.sums.items():
        if name not in wanted:
            sound = digest(stick.files[name], stick.kind) == value
        else:
            sound = wanted[name].exists() or _copy(stick, name, wanted[name])
        if not sound:
            faults.append(f"{name}: is damaged: it is not what the manifest says. Copy it to the stick anew")
    if faults:
        raise Unsound(faults)
    return wanted


def _copy_name(name: str, value: str) -> str:
    """It tells what the copy has to be, and of which file: two may be alike."""
    return f"{value}-{hashlib.sha256(name.encode()).hexdigest()[:16]}{Path(name).suffix}"


def _is_taken(name: str) -> bool:
    return Path(name).suffix in TAKEN and not name.startswith(".")


def _copy(stick: Stick, name: str, copy: Path) -> bool:
    """Copies a file with its time, and keeps the copy if it is what the manifest says."""
    part = copy.with_suffix(".part")
    try:
        with part.open("wb") as file:
            if digest(stick.files[name], stick.kind, file.write) != stick.sums[name]:
                return False
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            modified = os.fstat(stick.files[name].fileno()).st_mtime_ns
            os.utime(file.fileno(), ns=(modified, modified))
            os.fsync(file.fileno())
        part.replace(copy)
        return True
    finally:
        part.unlink(missing_ok=True)


def _require_room(folder: Path, files: Sequence[BinaryIO]) -> None:
    needed = sum(os.fstat(file.fileno()).st_size for file in files) + _ROOM_BYTES
    if files and shutil.disk_usage(folder).free < needed:
        raise NoRoom(f"{folder.parent}: there is no room for the stick. Make {needed // 2**20} MiB free on the disk")


def _bundle_name(copy: Path, largest: int) -> str:
    with copy.open("rb") as file:
        return file_name(read(file, copy.suffix, largest, thoroughly=True))


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return digest(file, kind)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Busy from None
    finally:
        os.close(handle)
