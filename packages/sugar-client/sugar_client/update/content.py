# SPDX-License-Identifier: GPL-3.0-or-later
"""Content bundles (.xol) in the child's library: what Sugar's own ContentBundle cannot do in Python 3 (TypeError).

The rules are those of sugar3.bundle.contentbundle; what leads out of the library is refused besides.
"""

from __future__ import annotations

import configparser
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from sugar_client.update.version import Version

_INFO = "library/library.info"
_LARGEST_INFO = 64 * 1024
_MOST_FILES = 20_000
_ROOM_BYTES = 50 * 1024 * 1024
"""That the content has to leave free: the Journal needs it."""
_INDEX = "index.html"
_DRAFT = ".new-"


class Unusable(Exception):
    """The bundle is not installed; the message says why."""


@dataclass(frozen=True)
class Info:
    """What a bundle's library.info says."""

    bundle_id: str
    version: Version
    name: str
    start: str
    """The first page, from the bundle's folder on."""

    @classmethod
    def parse(cls, content: bytes) -> Info:
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read_string(content.decode("utf-8"))
            section = parser["Library"]
            global_name = section["global_name"].strip()
            bundle_id = section.get("bundle_class", "").strip() or global_name
            version = Version(section.get("library_version", "0"))
            name = " ".join(section["name"].split())
        except (UnicodeDecodeError, configparser.Error, KeyError, ValueError) as error:
            raise Unusable(f"its {_INFO} cannot be read ({error})") from None
        if not bundle_id or not name:
            raise Unusable(f"its {_INFO} gives no name")
        return cls(bundle_id, version, name, section.get("activity_start", "").strip() or "index.html")


def installed(library: Path) -> dict[str, Version]:
    """The version of each content in a library, by bundle id."""
    return {info.bundle_id: info.version for _, info in _found(library)}


def name_of(bundle: Path) -> str:
    """What a bundle calls itself, for people; its file's name where it does not say."""
    try:
        with zipfile.ZipFile(bundle) as archive:
            return _info(archive, _top(archive)).name
    except Exception:
        return bundle.stem


def install(bundle: Path, library: Path) -> Path:
    """Puts a bundle into a library in place of its older version, and returns its folder there.

    Where it fails, the old content stays; where it is cut off just between the two, the content is offered again.
    """
    library.mkdir(parents=True, exist_ok=True)
    for rest in library.glob(f"{_DRAFT}*"):
        shutil.rmtree(rest)
    try:
        with zipfile.ZipFile(bundle) as archive:
            top = _top(archive)
            info = _info(archive, top)
            if f"{top}/{info.start}" not in archive.namelist():
                raise Unusable(f"it has no start page {info.start}")
            target = library / top
            older = [folder for folder, one in _found(library) if one.bundle_id == info.bundle_id]
            if target.exists() and target not in older:
                raise Unusable(f"{target} is there already, and something else")
            _require_room(archive, library)
            with tempfile.TemporaryDirectory(dir=library, prefix=_DRAFT) as draft:
                archive.extractall(draft, [one for one in archive.namelist() if one.startswith(f"{top}/")])
                _replace(Path(draft), target)
    except Unusable:
        raise
    except Exception as error:  # zipfile raises what it likes on what is no ZIP file
        raise Unusable(f"{bundle.name} cannot be installed ({error})") from error
    for folder in older:
        if folder != target:
            shutil.rmtree(folder)
    _write_index(library)
    return target


def _replace(draft: Path, target: Path) -> None:
    """Nothing is removed before both renames are done."""
    old = draft / ".old"
    if target.exists():
        target.rename(old)
    try:
        (draft / target.name).rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def _found(library: Path) -> Iterator[tuple[Path, Info]]:
    for path in sorted(library.glob(f"[!.]*/{_INFO}")):
        try:
            yield path.parent.parent, Info.parse(path.read_bytes())
        except (OSError, Unusable):
            continue


def _info(archive: zipfile.ZipFile, top: str) -> Info:
    try:
        with archive.open(f"{top}/{_INFO}") as file:
            return Info.parse(file.read(_LARGEST_INFO))
    except KeyError:
        raise Unusable(f"it has no {_INFO}") from None


def _top(archive: zipfile.ZipFile) -> str:
    """The one folder that everything is in."""
    infos = archive.infolist()
    if len(infos) > _MOST_FILES:
        raise Unusable(f"it holds more than {_MOST_FILES} files")
    for info in infos:
        parts = info.filename.rstrip("/").split("/")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if not all(parts) or {".", ".."} & set(parts) or "\\" in info.filename or not info.filename.isprintable():
            raise Unusable(f"its file {info.filename[:100]!a} would be unpacked elsewhere")
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise Unusable(f"its {info.filename[:100]!a} is a link or a device")
    tops = {info.filename.split("/")[0] for info in infos if info.filename != "mimetype"}
    if len(tops) != 1 or next(iter(tops)).startswith(".") or next(iter(tops)) in archive.namelist():
        raise Unusable("not everything in it is in one folder")
    return tops.pop()


def _require_room(archive: zipfile.ZipFile, library: Path) -> None:
    needed = sum(info.file_size for info in archive.infolist()) + _ROOM_BYTES
    if shutil.disk_usage(library).free < needed:
        raise Unusable(f"there is no room for it: {needed // 2**20} MiB are needed")


def _write_index(library: Path) -> None:
    """A page for Browse that leads to all contents."""
    found = sorted(_found(library), key=lambda one: one[1].name.casefold())
    links = "".join(
        f'<li><a href="{quote(f"{folder.name}/{info.start}")}">{escape(info.name)}</a></li>\n'
        for folder, info in found
    )
    new = library / f".{_INDEX}"
    new.write_text(
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>Library</title></head>\n<body><ul>\n{links}'
        "</ul></body></html>\n",
        encoding="utf-8",
    )
    new.replace(library / _INDEX)
