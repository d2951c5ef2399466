# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that look after the library."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from sugar_server.command import Failed, become_owner
from sugar_server.config import load
from sugar_server.library import importing, stick
from sugar_server.library.archive import Refused
from sugar_server.library.bundle import MIME_TYPES, read
from sugar_server.library.importing import file_name
from sugar_server.library.settings import LibrarySettings
from sugar_server.library.shelf import Library


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    adding = commands.add_parser("add-activity", help="offer activities to laptops", description=_add.__doc__)
    adding.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an .xo or .xol bundle")
    adding.set_defaults(run=_add)

    taking = commands.add_parser(
        "import-activities", help="take a stick's activities into the library", description=_import.__doc__
    )
    taking.add_argument("stick", type=Path, metavar="DIR", help="the stick, or its folder with manifest.sha1")
    taking.set_defaults(run=_import)

    listing = commands.add_parser("activities", help="list the library's bundles", description=_list.__doc__)
    listing.add_argument("--json", action="store_true", help="as JSON, for scripts")
    listing.set_defaults(run=_list)

    for command in (adding, taking, listing):
        command.add_argument(
            "--root", type=Path, default=Path("/"), metavar="DIR", help="read DIR/etc/sugar-server instead of /etc/…"
        )


def _add(arguments: argparse.Namespace) -> int:
    """Checks bundles thoroughly and puts them into the library, where laptops find them at once."""
    settings = load(arguments.root).library
    folder = Path(settings.folder)
    with contextlib.ExitStack() as stack:
        # Opened before the privileges go: they may be root's own, or on a stick.
        sources = [(path, stack.enter_context(_opened(path))) for path in arguments.files]
        _prepare(folder)
        failed = [path for path, file in sources if not _take(path, file, folder, settings)]
    if failed:
        raise Failed(f"{len(failed)} of {len(sources)} bundles are refused. Correct them, and add them again.")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    """Takes a stick's bundles and *.info files into the library: all of them, or none if one is damaged.

    The stick is an XS school server's: a folder xs-activity-server with manifest.sha1, or manifest.sha256. What the
    library has already stays, so it may be done again.
    """
    settings = load(arguments.root).library
    source = arguments.stick / stick.FOLDER
    source = source if source.is_dir() else arguments.stick
    _allow_many_files()
    try:
        with contextlib.ExitStack() as stack:
            found = stick.opened(source, stack.enter_context)
            _prepare(Path(settings.folder))
            refused = _told(importing.take(found, Path(settings.folder), settings.largest_mib))
    except stick.Unsound as error:
        print(error)
        raise Failed(f"{source} is not what was put on it: nothing of it was taken.") from None
    except importing.Busy:
        raise Failed("Another import is under way. Wait for its end.") from None
    except importing.NoRoom as error:
        raise Failed(f"{error}.") from None
    except OSError as error:
        raise Failed(
            f"{error.filename or source}: {error.strerror}. Is the disk full, or was the stick pulled?"
        ) from None
    if refused:
        raise Failed(f"{refused} of {len(found.sums)} files are refused: Sugar could not install them.")
    return 0


def _told(taken: Iterable[tuple[str, str | Refused]]) -> int:
    """Tells what became of each file; how many were refused."""
    refused = 0
    for name, outcome in taken:
        if isinstance(outcome, Refused):
            refused += 1
            print(f"{name}: {outcome}.")
        else:
            print(f"{name}: is in the library as {outcome}.")
    return refused


def _allow_many_files() -> None:
    """A stick's files are all opened before the privileges go."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _prepare(folder: Path) -> None:
    become_owner(folder if folder.exists() else folder.parent, ".")
    folder.mkdir(exist_ok=True)


def _opened(path: Path) -> BinaryIO:
    if path.suffix not in MIME_TYPES:
        raise Failed(f"{path} is no bundle. Its name has to end in {' or '.join(MIME_TYPES)}.")
    try:
        return path.open("rb")
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from None


def _take(path: Path, source: BinaryIO, folder: Path, settings: LibrarySettings) -> bool:
    """Put one bundle into the folder, under a name that says which it is; whether it is good."""
    part = folder / f".{os.getpid()}.part"
    try:
        if os.fstat(source.fileno()).st_size > settings.largest_mib:
            raise Refused(f"it is larger than {settings.largest_mib // 2**20} MiB")
        with part.open("w+b") as copy:
            shutil.copyfileobj(source, copy)
            bundle = read(copy, path.suffix, settings.largest_mib, thoroughly=True)
            os.fchmod(copy.fileno(), 0o644)
            os.fsync(copy.fileno())
        name = file_name(bundle)
        part.replace(folder / name)
    except Refused as error:
        print(f"{path}: {error}.")
        return False
    except OSError as error:
        raise Failed(f"{folder}: cannot be written ({error.strerror}). Is the disk full?") from None
    finally:
        part.unlink(missing_ok=True)
    print(f"{path}: {bundle.words.name} {bundle.version} is in the library as {name}.")
    for warning in bundle.warnings:
        print(f"{path}: {warning}.")
    return True


def _list(arguments: argparse.Namespace) -> int:
    """Lists what the library offers, and what it refuses and why."""
    settings = load(arguments.root).library
    if not os.access(settings.folder, os.R_OK | os.X_OK) and Path(settings.folder).exists():
        raise Failed(f"{settings.folder} may not be read. Run this command as root: sudo sugar-server …")
    shelf = Library(Path(settings.folder), settings.largest_mib).look()
    items = [(item, "newest") for item in shelf.newest]
    items += [(item, "older") for older in shelf.older.values() for item in older]
    rows = [
        {
            "file": item.file,
            "state": state,
            "bundle_id": item.bundle.bundle_id,
            "version": item.bundle.version,
            "name": item.bundle.words.name,
            "size": item.size,
            "warnings": list(item.bundle.warnings),
        }
        for item, state in items
    ]
    rows += [{"file": one.file, "state": "refused", "reason": one.reason} for one in shelf.refused]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        shown = ascii(row["file"])[1:-1]
        text = row.get("reason") or f"{row['bundle_id']}  {row['version']}"
        print(f"{row['state']:8}  {shown}  {text}")
    print(f"{len(shelf.newest)} bundles are offered, {len(shelf.refused)} are refused.")
    return 0
