"""What fills an image: its files' bytes by Debian package and by folder, and about what they take compressed."""

from __future__ import annotations

import posixpath
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sugar_deploy.image.survey.reading import PIECE, Taker, normal, read_tree

UNOWNED = "(of no package)"
_LISTS, _LIST = "/var/lib/dpkg/info/", ".list"
_DEPTH = 3
"""Of folders that are told apart: /usr/share/locale, but not each language."""
_BLOCK = 4096
"""What JFFS2 and UBIFS compress at a time."""
_EVERY = 32
"""One block in so many is compressed, the first one always: an estimate is enough."""
assert PIECE % (_BLOCK * _EVERY) == 0, "each piece begins with a block that is looked at"


class Sizes:
    """Reads of a tree what fills it."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[int, int]] = {}
        self._owners: dict[str, str] = {}
        self._links: dict[str, str] = {}

    def entry(self, path: str, member: tarfile.TarInfo) -> Taker | None:
        """Note an entry; files are measured, and packages' lists read."""
        self._files.pop(path, None)
        if member.issym() and path.count("/") == 1:
            self._links[path] = normal(member.linkname)
        if path.startswith(_LISTS) and path.endswith(_LIST):
            return _Owned(self._files, path, self._owners)
        return _Measured(self._files, path)

    def state(self) -> list[dict[str, Any]]:
        """What was read, for `restore`."""
        return [self._files, self._owners, self._links]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """As if this had been read."""
        files, owners, links = state
        self._files.update({path: (plain, packed) for path, (plain, packed) in files.items()})
        self._owners.update(owners)
        self._links.update(links)

    def told(self) -> dict[str, Any]:
        """The bytes, in all, by package and by folder, the largest first; hard links count once."""
        packages = _owned(self._owners, self._links)
        return {
            "bytes": sum(plain for plain, _ in self._files.values()),
            "compressed": sum(packed for _, packed in self._files.values()),
            "packages": _summed((packages.get(path, UNOWNED), size) for path, size in self._files.items()),
            "folders": _summed((_folder(path), size) for path, size in self._files.items()),
        }


class _Measured:
    """A file's bytes, and about what they take compressed, by blocks that are looked at."""

    def __init__(self, files: dict[str, tuple[int, int]], path: str) -> None:
        self._files, self._path = files, path
        self._size = self._plain = self._packed = 0

    def take(self, piece: bytes) -> None:
        self._size += len(piece)
        for start in range(0, len(piece), _BLOCK * _EVERY):
            block = piece[start : start + _BLOCK]
            self._plain += len(block)
            self._packed += min(len(block), len(zlib.compress(block, 1)))

    def end(self) -> None:
        self._files[self._path] = (self._size, self._packed * self._size // (self._plain or 1))


class _Owned(_Measured):
    """The list of a package's files, which is a file as well."""

    def __init__(self, files: dict[str, tuple[int, int]], path: str, owners: dict[str, str]) -> None:
        super().__init__(files, path)
        self._package = path.removeprefix(_LISTS).removesuffix(_LIST).partition(":")[0]
        self._owners, self._text = owners, bytearray()

    def take(self, piece: bytes) -> None:
        super().take(piece)
        self._text += piece

    def end(self) -> None:
        super().end()
        self._owners.update(dict.fromkeys(self._text.decode("utf-8", "surrogateescape").split("\n"), self._package))


def measured(*trees: Path) -> dict[str, Any]:
    """What fills a system's tars, one over the other."""
    sizes = Sizes()
    for tree in trees:
        read_tree(tree, sizes)
    return sizes.told()


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
