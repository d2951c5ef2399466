# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of bundles: what is offered, what is older, what is refused. Each state of a file is read once."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sugar_server.library.archive import Refused
from sugar_server.library.bundle import MIME_TYPES, Bundle, read
from sugar_server.library.sidecar import Sidecars

_log = logging.getLogger(__name__)
_Identity = tuple[int, int, int]


@dataclass(frozen=True)
class Item:
    """A bundle's file."""

    file: str
    """Its name in the folder."""
    size: int
    """Bytes."""
    bundle: Bundle
    description: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Refusal:
    """A file that is not offered."""

    file: str
    reason: str


@dataclass(frozen=True)
class Shelf:
    """What the folder holds at one moment."""

    newest: tuple[Item, ...]
    """One of each bundle, sorted by name."""
    older: dict[str, tuple[Item, ...]]
    """The others by bundle id, the newest first."""
    refused: tuple[Refusal, ...]

    def find(self, bundle_id: str) -> Item | None:
        """The newest version of a bundle."""
        return next((item for item in self.newest if item.bundle.bundle_id == bundle_id), None)


class Library:
    """The folder, looked at anew whenever somebody asks."""

    def __init__(self, folder: Path, largest: int) -> None:
        self.folder, self._largest = folder, largest
        self._known: dict[str, tuple[_Identity, Bundle | str]] = {}
        self._sidecars = Sidecars(folder)
        self._lock = threading.Lock()
        self._shelf: tuple[object, Shelf] | None = None

    def look(self) -> Shelf:
        """What is there now; for a thread, as it reads new files."""
        with self._lock:
            found = dict(self._files())
            state = (tuple((name, identity) for name, (identity, _) in found.items()), self._sidecars.state())
            if self._shelf is None or self._shelf[0] != state:
                for name in self._known.keys() - found.keys():
                    del self._known[name]
                for name, (identity, _) in found.items():
                    if self._known.get(name, (None, ""))[0] != identity:
                        self._known[name] = (identity, self._read(name))
                self._shelf = (state, self._arrange({name: size for name, (_, size) in found.items()}))
            return self._shelf[1]

    def open(self, name: str) -> BinaryIO:
        """A bundle of the folder, unless it is refused; FileNotFoundError if there is none."""
        if name.startswith(".") or "/" in name or "\0" in name or Path(name).suffix not in MIME_TYPES:
            raise FileNotFoundError(name)
        self.look()
        if isinstance(self._known.get(name, (None, ""))[1], str):
            raise FileNotFoundError(name)
        return (self.folder / name).open("rb")

    def _files(self) -> Iterator[tuple[str, tuple[_Identity, int]]]:
        """Files that mean to be bundles: name, what tells one state of it from another, size."""
        try:
            with os.scandir(self.folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.name.startswith(".") or Path(entry.name).suffix not in MIME_TYPES:
                        continue
                    try:
                        found = entry.stat()
                    except OSError:
                        continue
                    yield entry.name, ((found.st_size, found.st_mtime_ns, found.st_ino), found.st_size)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                _log.error("The library's folder %s cannot be read (%s).", self.folder, error.strerror)

    def _read(self, name: str) -> Bundle | str:
        """The bundle, or why it is refused; said in the journal once."""
        path = self.folder / name
        try:
            if not name.isprintable():
                raise Refused("its name is not printable text")
            if not path.is_file():
                raise Refused("it is not a file")
            with path.open("rb") as file:
                bundle = read(file, path.suffix, self._largest)
        except (Refused, OSError) as error:
            reason = str(error) if isinstance(error, Refused) else f"it cannot be read ({error.strerror})"
            _log.warning("The library leaves out %s: %s.", ascii(name), reason)
            return reason
        for warning in bundle.warnings:
            _log.info("The library offers %s, but %s.", ascii(name), warning)
        return bundle

    def _arrange(self, sizes: dict[str, int]) -> Shelf:
        by_id: dict[str, list[Item]] = {}
        refused = []
        for name, size in sizes.items():
            bundle = self._known[name][1]
            if isinstance(bundle, str):
                refused.append(Refusal(name, bundle))
                continue
            said = self._sidecars.of(bundle.bundle_id)
            item = Item(name, size, bundle, said.description, said.optional)
            by_id.setdefault(bundle.bundle_id, []).append(item)
        for items in by_id.values():
            # Of two files of one version the name decides, so that every look finds the same.
            items.sort(key=lambda item: (item.bundle.order, item.file), reverse=True)
        newest = sorted(
            (items[0] for items in by_id.values()),
            key=lambda item: (item.bundle.words.name.casefold(), item.bundle.bundle_id),
        )
        return Shelf(
            tuple(newest), {one: tuple(items[1:]) for one, items in by_id.items() if items[1:]}, tuple(refused)
        )
