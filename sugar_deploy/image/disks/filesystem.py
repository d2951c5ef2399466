"""The file system that the firmware reads on a disk: which of its forms it cannot read, and the files it would open.

FAT is read by mtools, ext2 to ext4 by e2fsprogs' debugfs; neither mounts anything.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.stick import FOLDERS, OPENED

_EXT_MAGIC_AT, _EXT_MAGIC = 1080, b"\x53\xef"
_FAT12_CLUSTERS, _FAT16_CLUSTERS = 4085, 65525
_UNREADABLE_TABLE = 256
"""Sectors of a FAT16's table that the firmware cannot read, fewer and more it can."""
_HANGING = frozenset({"inline_data"})
_WRITABLE = frozenset(
    {
        *("dir_prealloc", "imagic_inodes", "has_journal", "ext_attr", "resize_inode", "dir_index", "sparse_super2"),
        *("filetype", "sparse_super", "large_file", "uninit_bg", "dir_nlink", "extra_isize"),
    }
)
"""Features with which the firmware writes (ofw/fs/ext2fs/sb.fth); others it only reads."""
_FEATURES = re.compile(r"^Filesystem features: +(.*)$", re.MULTILINE)
_ENTRY = re.compile(r"^/\d+/100\d{3}/\d+/\d+/(.+)/\d+/$", re.MULTILINE)
"""A file in debugfs' `ls -p`."""
_SELF = re.compile(r"^/(\d+)/\d+/\d+/\d+/\./", re.MULTILINE)
_SBIN = ("/usr/sbin", "/sbin")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an image file the file system begins (bytes)."""

    image: Path
    offset: int

    def read(self, at: int, count: int) -> bytes:
        """Its bytes."""
        with self.image.open("rb") as file:
            file.seek(self.offset + at)
            return file.read(count)


def kind_of(place: Place) -> str:
    """FAT12, FAT16, FAT32 or ext; empty for any other."""
    if place.read(_EXT_MAGIC_AT, 2) == _EXT_MAGIC:
        return "ext"
    sector = place.read(0, 512)
    word, cluster = _number(sector, 11, 2), sector[13:14]
    if sector[510:512] != b"\x55\xaa" or word not in (512, 1024, 2048, 4096) or cluster in (b"", b"\0"):
        return ""
    if not sector[16] or not _table(sector):
        return ""
    sectors = _number(sector, 19, 2) or _number(sector, 32, 4)
    first = _number(sector, 14, 2) + sector[16] * _table(sector) + _number(sector, 17, 2) * 32 // word
    clusters = (sectors - first) // cluster[0]
    return "FAT12" if clusters < _FAT12_CLUSTERS else "FAT16" if clusters < _FAT16_CLUSTERS else "FAT32"


def faults(place: Place, kind: str) -> tuple[list[str], list[str]]:
    """Why the firmware cannot read it, and what it cannot do with it."""
    if kind == "ext":
        features = set(" ".join(_FEATURES.findall(_run("dumpe2fs", "-h", _address(place)))).split())
        hanging = [f"has the feature {one}, which hangs the firmware" for one in sorted(features & _HANGING)]
        other = ", ".join(sorted(features - _HANGING - _WRITABLE))
        return hanging, [f"the firmware cannot write there, for it has {other}"] if other else []
    if kind == "FAT12":
        return ["is FAT12; the firmware reads FAT16 and FAT32"], []
    if kind == "FAT16" and _table(place.read(0, 512)) == _UNREADABLE_TABLE:
        return [f"is FAT16 whose table has {_UNREADABLE_TABLE} sectors, which the firmware cannot read"], []
    return [], []


def extract(place: Place, kind: str, target: Path) -> None:
    """Copy what the firmware would open into the folder TARGET, by its places."""
    if kind == "ext":
        _extract_ext(place, target)
    else:
        _extract_fat(place, target)


def _extract_ext(place: Place, target: Path) -> None:
    """`/boot` may be a link, to the root as well, which then counts as `/boot` alone."""
    said = {folder: _run("debugfs", "-R", f"ls -p /{folder}/.", _address(place)) for folder in FOLDERS}
    selves = {folder: match[1] for folder, text in said.items() if (match := _SELF.search(text))}
    is_boot = selves.get("boot") == selves.get("")
    for folder, text in said.items():
        if folder or not is_boot:
            for name in filter(_is_opened, _ENTRY.findall(text)):
                (target / folder).mkdir(exist_ok=True)
                _run("debugfs", "-R", f'dump "/{folder}/./{name}" "{target / folder / name}"', _address(place))


def _extract_fat(place: Place, target: Path) -> None:
    fat = f"{place.image}@@{place.offset}"
    for folder in FOLDERS:
        for name in _listed(fat, folder):
            (target / folder).mkdir(exist_ok=True)
            _run("mcopy", "-n", "-i", fat, f"::/{folder}/{name}", str(target / folder / name))


def _listed(fat: str, folder: str) -> Iterator[str]:
    """Names in a folder of FAT; none where there is no such folder."""
    for line in _run("mdir", "-b", "-i", fat, f"::/{folder}", is_sure=not folder).splitlines():
        name = line.rpartition("/")[2]
        if name and _is_opened(name):
            yield name


def _is_opened(name: str) -> bool:
    return Path(name).suffix.lower() in OPENED


def _table(sector: bytes) -> int:
    """Sectors of a FAT's table."""
    return _number(sector, 22, 2) or _number(sector, 36, 4)


def _number(sector: bytes, at: int, size: int) -> int:
    return int.from_bytes(sector[at : at + size], "little")


def _address(place: Place) -> str:
    return f"{place.image}?offset={place.offset}"


def _run(*argv: str, is_sure: bool = True) -> str:
    """What a program said; where it need NOT be SURE to succeed, nothing if it fails."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_SBIN))
    settings = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "MTOOLS_SKIP_CHECK": "1"}
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", env=settings, check=False)
    except FileNotFoundError:
        raise DeployError(f"{argv[0]} is not installed", "Install it: sudo apt install e2fsprogs mtools") from None
    if done.returncode and is_sure:
        raise DeployError(f"{argv[0]} cannot read the file system: {done.stderr.strip()}", "Make the image anew")
    return "" if done.returncode else done.stdout
