# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle on a server, looked into from afar as Sugar's updater does: HEAD, then GET with Range (httprange.py)."""

from __future__ import annotations

import configparser
import io
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

from sugaroid.errors import NotServed
from sugaroid.probes import web

_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")
_INFO = {"activity/activity.info": "Activity", "library/library.info": "Library"}
"""What tells what a bundle is, below its only folder: the file, and its section."""
_LARGEST_INFO = 1 << 16
_UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, ValueError, EOFError, OSError)
"""What zipfile raises on broken, encrypted and unknown ones."""


@dataclass(frozen=True)
class Bundle:
    """What a bundle says of itself."""

    bytes: int
    bundle_id: str
    version: str
    folder: str


class RemoteFile(io.RawIOBase):
    """A file on a web server, read in parts; NotServed where the server gives no parts."""

    def __init__(self, address: str, port: int, host: str, path: str) -> None:
        super().__init__()
        self._where = (address, port, host, path)
        self._at = 0
        self.length = self._head()

    def _head(self) -> int:
        page = web.ask(*self._where, method="HEAD")
        if page.status != 200:
            raise NotServed(f"status {page.status} for HEAD {self._where[3]}")
        length = page.headers.get("content-length", "")
        if not length.isdecimal():
            raise NotServed(f"HEAD {self._where[3]} has no Content-Length: Sugar drops the update")
        return int(length)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.length}[whence]
        if start + offset < 0:
            raise OSError(22, "a place before the file's beginning")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self._part(self._at, min(self._at + len(buffer), self.length, self._at + web.MAXIMUM_BYTES))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _part(self, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        page = web.ask(*self._where, headers={"Range": f"bytes={start}-{end - 1}"})
        path = self._where[3]
        if page.status != 206:
            raise NotServed(f"status {page.status} and not 206 for a part of {path}")
        match = _CONTENT_RANGE.fullmatch(page.headers.get("content-range", ""))
        if match is None or tuple(map(int, match.groups())) != (start, end - 1, self.length):
            raise NotServed(f"another part of {path} than bytes {start}-{end - 1} of {self.length}")
        if len(page.body) != end - start:
            raise NotServed(f"{len(page.body)} bytes for {end - start} of {path}")
        return page.body


def look_into(address: str, port: int, host: str, path: str) -> Bundle:
    """What the bundle there says of itself, blocking; NotServed if a laptop could not install it."""
    remote = RemoteFile(address, port, host, path)
    try:
        with zipfile.ZipFile(io.BufferedReader(remote, 1 << 16)) as archive:
            return _described(archive, remote.length, path)
    except _UNREADABLE as error:
        raise NotServed(f"{path} is no ZIP file that can be read: {error}") from None


def _described(archive: zipfile.ZipFile, length: int, path: str) -> Bundle:
    folders = {name.partition("/")[0] for name in archive.namelist()}
    if len(folders) != 1:
        raise NotServed(f"{path} has {len(folders)} folders at its top and not one")
    folder = folders.pop()
    for inner, section in _INFO.items():
        name = f"{folder}/{inner}"
        if name in archive.namelist():
            with archive.open(name) as file:
                text = file.read(_LARGEST_INFO).decode("utf-8", "replace")
            return _read_info(text, section, length, folder, path)
    raise NotServed(f"{path} has neither {folder}/activity/activity.info nor {folder}/library/library.info")


def _read_info(text: str, section: str, length: int, folder: str, path: str) -> Bundle:
    info = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        info.read_string(text)
    except configparser.Error as error:
        raise NotServed(f"{path}: its info file cannot be read: {error}".replace("\n", " ")) from None
    if not info.has_section(section):
        raise NotServed(f"{path}: its info file has no [{section}]")
    said = info[section]
    # Old bundles call their identity service_name, and collections global_name.
    named = (said.get(name) for name in ("bundle_id", "service_name", "global_name"))
    bundle_id = next((name for name in named if name), "")
    version = said.get("activity_version") or said.get("library_version") or ""
    return Bundle(length, bundle_id, version, folder)
