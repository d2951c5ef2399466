"""What fills an image: its files' bytes by Debian package and by folder, and about what they take compressed."""

from __future__ import annotations

import posixpath
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

UNOWNED = "(of no package)"
_LISTS, _LIST = "/var/lib/dpkg/info/", ".list"
_DEPTH = 3
"""Of folders that are told apart: /usr/share/locale, but not each language."""
_BLOCK = 4096
"""What JFFS2 and UBIFS compress at a time."""
_EVERY = 8
"""One block in so many is compressed, the first one always: an estimate is enough."""


def measured(tree: Path) -> dict[str, Any]:
    """A composed system's bytes, in all, by package and by folder, the largest first; hard links count once."""
    files: dict[str, tuple[int, int]] = {}
    owners: dict[str, str] = {}
    links: dict[str, str] = {}
    with tarfile.open(tree, "r:") as archive:
        for member in archive:
            path = posixpath.normpath("/" + member.name)
            if member.issym() and path.count("/") == 1:
                links[path] = posixpath.normpath("/" + member.linkname)
            file = archive.extractfile(member) if member.isreg() else None
            if file is None:
                continue
            if path.startswith(_LISTS) and path.endswith(_LIST):
                owned = file.read().decode("utf-8", "surrogateescape").split("\n")
                owners.update(dict.fromkeys(owned, path.removeprefix(_LISTS).removesuffix(_LIST).partition(":")[0]))
                file.seek(0)
            files[path] = (member.size, _compressed(file, member.size))
    packages = _owned(owners, links)
    return {
        "bytes": sum(plain for plain, _ in files.values()),
        "compressed": sum(packed for _, packed in files.values()),
        "packages": _summed((packages.get(path, UNOWNED), size) for path, size in files.items()),
        "folders": _summed((_folder(path), size) for path, size in files.items()),
    }


def shown(sizes: dict[str, Any], count: int = 10) -> list[str]:
    """The largest packages and folders, a line each, in MB."""
    lines = []
    for kind in ("packages", "folders"):
        lines.append(f"  {kind}:")
        for one in sizes[kind][:count]:
            lines.append(
                f"    {one['bytes'] / 1e6:8.1f} MB, compressed {one['compressed'] / 1e6:8.1f}  {one['name']}"
            )
    return lines


def _owned(owners: dict[str, str], links: dict[str, str]) -> dict[str, str]:
    """Paths as they are in the tar: packages may name /bin/sh what lies in /usr/bin."""
    found = {}
    for path, package in owners.items():
        head, slash, rest = path[1:].partition("/")
        top = links.get(f"/{head}")
        found[f"{top}/{rest}" if slash and top else path] = package
    return found


def _folder(path: str) -> str:
    return "/".join(posixpath.dirname(path).split("/")[: _DEPTH + 1]) or "/"


def _summed(sizes: Iterable[tuple[str, tuple[int, int]]]) -> list[dict[str, Any]]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, (plain, compressed) in sizes:
        sums[name][0] += plain
        sums[name][1] += compressed
    found = [{"name": name, "bytes": plain, "compressed": packed} for name, (plain, packed) in sums.items()]
    return sorted(found, key=lambda one: (-int(one["bytes"]), one["name"]))


def _compressed(file: IO[bytes], size: int) -> int:
    """About what SIZE bytes take, by blocks that are looked at."""
    plain = packed = 0
    for start in range(0, size, _BLOCK * _EVERY):
        file.seek(start)
        block = file.read(_BLOCK)
        plain += len(block)
        packed += min(len(block), len(zlib.compress(block, 1)))
    return packed * size // plain if plain else 0
