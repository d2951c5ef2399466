# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens a bundle's ZIP file, and refuses what could harm this server, or the laptop that unpacks it."""

from __future__ import annotations

import contextlib
import stat
import struct
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE, _ZIP64_SIGNATURE = b"PK\5\6", b"PK\6\7"
_LONGEST_COMMENT = 65535
_LARGEST_DIRECTORY = 4 * 1024 * 1024
_MOST_ENTRIES = 20_000
_LONGEST_NAME = 1000
_SMALL = 64 * 1024 * 1024
_MOST_PRESSED = 100
"""Times that a bundle may grow when unpacked, beyond _SMALL bytes; even pure text grows less."""
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_MIMETYPE = "mimetype"
"""A file that may stand beside the folder, as in documents' formats."""


class Refused(Exception):
    """The bundle is not offered; the message says why."""


class Archive:
    """A ZIP file that is safe to unpack, with everything in one folder."""

    def __init__(self, archive: zipfile.ZipFile, top: str) -> None:
        self._zip = archive
        self.top = top
        """The folder's name."""

    def has(self, name: str) -> bool:
        """Whether there is a file of this name in the folder."""
        return self._info(name) is not None

    def names(self) -> list[str]:
        """The names of all files, from the folder on."""
        start = len(self.top) + 1
        return [info.filename[start:] for info in self._zip.infolist() if not info.is_dir()]

    def read(self, name: str, most: int) -> bytes:
        """A file's content, of MOST bytes at most."""
        info = self._info(name)
        if info is None:
            raise Refused(f"it has no {name}")
        with self._zip.open(info) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise Refused(f"its {name} is larger than {most} bytes")
        return content

    def _info(self, name: str) -> zipfile.ZipInfo | None:
        return self._zip.NameToInfo.get(f"{self.top}/{name}")

    def damaged(self) -> str | None:
        """The first file whose content does not match its checksum: reads everything."""
        return self._zip.testzip()


@contextlib.contextmanager
def opened(file: BinaryIO, largest: int) -> Iterator[Archive]:
    """The archive in a file, which may not unpack to more than LARGEST bytes."""
    try:
        size = _check_end(file)
        with zipfile.ZipFile(file) as archive:
            _check_sizes(archive, size, largest)
            yield Archive(archive, _top([_safe(info) for info in archive.infolist()]))
    except Refused:
        raise
    except Exception as error:  # zipfile raises what it likes on what is no ZIP file
        raise Refused(f"it is not a sound ZIP file ({error!r:.100})") from error


def _check_end(file: BinaryIO) -> int:
    """Look at the end's record, before zipfile reads as large a directory as that says; the file's size."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END.size - _LONGEST_COMMENT))
    tail = file.read()
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) - at < _END.size:
        raise Refused("it is not a ZIP file, or not a whole one")
    _, _, _, _, entries, directory, _, _ = _END.unpack_from(tail, at)
    if tail[max(0, at - 20) :].startswith(_ZIP64_SIGNATURE) or entries > _MOST_ENTRIES:
        raise Refused(f"it holds more than {_MOST_ENTRIES} files, or is a ZIP64 file")
    if directory > _LARGEST_DIRECTORY:
        raise Refused("the names of its files take too much room")
    return size


def _check_sizes(archive: zipfile.ZipFile, size: int, largest: int) -> None:
    infos = archive.infolist()
    unpacked = sum(info.file_size for info in infos)
    if len(infos) > _MOST_ENTRIES:
        raise Refused(f"it holds more than {_MOST_ENTRIES} files")
    if unpacked > largest:
        raise Refused(f"it unpacks to {unpacked // 2**20} MiB, more than {largest // 2**20} MiB")
    if sum(info.compress_size for info in infos) > size:
        raise Refused("its files overlap")
    if unpacked > max(_SMALL, _MOST_PRESSED * size):
        raise Refused(f"it unpacks to more than {_MOST_PRESSED} times its size")


def _safe(info: zipfile.ZipInfo) -> str:
    """The name of an entry that is a plain file or folder inside."""
    name = info.filename
    shown = ascii(name[:100])
    parts = name[:-1].split("/") if name.endswith("/") else name.split("/")
    if len(name) > _LONGEST_NAME or "\\" in name or ":" in parts[0] or not name.isprintable():
        raise Refused(f"the name of its file {shown} is not usable")
    if any(part in {"", ".", ".."} for part in parts):
        raise Refused(f"its file {shown} would be unpacked elsewhere")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise Refused(f"its {shown} is a link or a device")
    if info.flag_bits & 1:
        raise Refused(f"its file {shown} is encrypted")
    if info.compress_type not in _METHODS:
        raise Refused(f"its file {shown} is packed in a way that Sugar cannot unpack")
    return name


def _top(names: list[str]) -> str:
    """The one folder that everything is in."""
    if len(set(names)) != len(names):
        raise Refused("it holds two files of one name")
    tops = {name.split("/")[0] for name in names if name != _MIMETYPE}
    if len(tops) != 1:
        raise Refused(f"it holds {len(tops)} things side by side, and not one folder")
    top = tops.pop()
    if top in names:
        raise Refused("its files are not in a folder")
    if top.startswith("."):
        raise Refused("the name of its folder begins with a dot")
    return top
