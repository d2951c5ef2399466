# SPDX-License-Identifier: GPL-3.0-or-later
"""The Journal entries in a datastore: Sugar's layouts 1 to 6, in folders, and 0, of Sugar 0.82.

What a laptop brought is not trusted: no link is followed, and values that are not what they should be are left out.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Union

_UID = re.compile(r"[0-9A-Za-z-]{36}")
_PROPERTY = re.compile("(?!\\.)[^/\0\ud800-\udfff]{1,255}")
_LARGEST_PROPERTY = 1024 * 1024
_LARGEST_METADATA = 8 * 1024 * 1024
_LARGEST_SHOWN = 4096
"""Of one property in a list; _LARGEST_LIST of all."""
_LARGEST_LIST = 16 * 1024 * 1024
_LARGEST_PREVIEW = 4 * 1024 * 1024
_SHOWN = (
    "title",
    "activity",
    "mime_type",
    "timestamp",
    "mtime",
    "buddies",
    "keep",
    "filesize",
    "description",
    "tags",
)
_PNG = b"\x89PNG\r\n\x1a\n"
Value = Union[str, int, float]


@dataclass(frozen=True)
class Entry:
    """One entry: where it is, and its properties as far as they are text and numbers."""

    datastore: Path
    uid: str
    data: tuple[str, ...]
    """The file's place in the datastore; there need not be one."""
    metadata: dict[str, Value] = field(compare=False)
    preview: bytes | None = field(default=None, compare=False, repr=False)

    def summary(self) -> dict[str, Any]:
        """What a list shows of it."""
        shown = {name: self.metadata[name] for name in _SHOWN if name in self.metadata}
        return {"uid": self.uid, **shown}

    @contextmanager
    def open(self) -> Iterator[BinaryIO | None]:
        """The entry's file, or None where it has none."""
        with _open(self.datastore, *self.data) as file:
            yield file

    @property
    def time(self) -> float:
        """When it was last changed, in seconds since 1970; 0 where that is unknown."""
        try:
            at = float(self.metadata.get("timestamp", 0))
        except (ValueError, OverflowError):
            return 0.0
        return at if math.isfinite(at) else 0.0


def listed(datastore: Path) -> list[Entry]:
    """All entries, the newest first, with what a list shows of them."""
    found = []
    room = _LARGEST_LIST
    for uid in _uids(datastore):
        entry = _find(datastore, uid, _SHOWN if room > 0 else ("timestamp",))
        if entry:
            found.append(entry)
            room -= sum(len(str(value)) for value in entry.metadata.values())
    return sorted(found, key=lambda entry: (-entry.time, entry.uid))


def find(datastore: Path, uid: str) -> Entry | None:
    """The entry with this uid; None if there is none."""
    return _find(datastore, uid, None) if _UID.fullmatch(uid) else None


def _find(datastore: Path, uid: str, shown: tuple[str, ...] | None) -> Entry | None:
    if _is_folder(datastore / "store"):
        return _find_in_store(datastore, uid, shown)
    metadata = _Folder.at(datastore, uid[:2], uid, "metadata")
    if metadata is None:
        return None
    names = shown or sorted(name for name in metadata.names() if _PROPERTY.fullmatch(name) and name != "preview")
    texts: dict[str, Value] = {}
    room = _LARGEST_METADATA
    for name in names:
        value = metadata.read(name, min(room, _LARGEST_SHOWN if shown else _LARGEST_PROPERTY))
        text = _text(value)
        if value is not None and text is not None:
            texts[name] = text
            room -= len(value)
    preview = None if shown else metadata.read("preview", _LARGEST_PREVIEW)
    return Entry(datastore, uid, (uid[:2], uid, "data"), texts, _image(preview))


def _find_in_store(datastore: Path, uid: str, shown: tuple[str, ...] | None) -> Entry | None:
    store = _Folder.at(datastore, "store")
    written = store.read(f"{uid}.metadata", _LARGEST_METADATA) if store else None
    if store is None or written is None:
        return None
    try:
        values = json.loads(written)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        values = {}
    kept = {name: value for name, value in values.items() if _is_value(value)}
    if shown:
        kept = {name: kept[name] for name in shown if name in kept and len(str(kept[name])) <= _LARGEST_SHOWN}
    previews = None if shown else _Folder.at(datastore, "store", "preview")
    preview = previews.read(uid, _LARGEST_PREVIEW) if previews else None
    return Entry(datastore, uid, ("store", uid), kept, _image(preview))


def _uids(datastore: Path) -> list[str]:
    store = datastore / "store"
    if _is_folder(store):
        names = [path.name[: -len(".metadata")] for path in store.iterdir() if path.name.endswith(".metadata")]
    else:
        prefixes = [path for path in datastore.iterdir() if len(path.name) == 2 and _is_folder(path)]
        names = [path.name for prefix in prefixes for path in prefix.iterdir() if path.name[:2] == prefix.name]
    return [name for name in names if _UID.fullmatch(name)]


def _is_value(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _image(preview: bytes | None) -> bytes | None:
    return preview if preview and preview.startswith(_PNG) else None


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


@contextmanager
def _open(base: Path, *parts: str) -> Iterator[BinaryIO | None]:
    """A regular file, reached through true folders only; None where it is none."""
    folder = _Folder.at(base, *parts[:-1])
    file = folder.open(parts[-1]) if folder else None
    if file is None:
        yield None
        return
    with file:
        yield file


class _Folder:
    """A folder that was reached without following a link."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __del__(self) -> None:
        os.close(self._handle)

    @classmethod
    def at(cls, base: Path, *parts: str) -> _Folder | None:
        handle = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts:
            try:
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
            except OSError:
                return None
            finally:
                os.close(handle)
            handle = inner
        return cls(handle)

    def names(self) -> list[str]:
        return os.listdir(self._handle)  # noqa: PTH208 (a descriptor)

    def open(self, name: str) -> BinaryIO | None:
        try:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._handle)
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return None
        return open(handle, "rb")  # noqa: PTH123 (a descriptor)

    def read(self, name: str, most: int) -> bytes | None:
        """The file's content; None where there is none or it is larger than it may be."""
        file = self.open(name)
        if file is None:
            return None
        with file:
            content = file.read(most + 1)
        return content if len(content) <= most else None
