"""What is in a tree that was composed: its packages with their sources and licences."""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sugar_deploy.repository.control import stanzas

_STATUS = "/var/lib/dpkg/status"
_DOC = "/usr/share/doc"
_COPYRIGHT = re.compile(rf"{_DOC}/[^/]+(?:/copyright)?")
_MACHINE_READABLE = re.compile(r"Format(?:-Specification)?:.*(?:copyright-format|dep5|DEP-?5)", re.IGNORECASE)
"""How Debian's machine-readable copyright files begin (copyright-format 1.0 and its drafts)."""
_LICENCE = re.compile(r"^License:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


@dataclass(slots=True)
class Contents:
    """Reads of a tree what its packages are; paths begin with a slash."""

    status: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def entry(self, path: str, member: tarfile.TarInfo) -> _Text | None:
        """Note a package's copyright, be it a file or a link to another one's, and dpkg's own table."""
        is_copyright = _COPYRIGHT.fullmatch(path)
        if is_copyright and member.issym():
            self.links[path] = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname))
        return _Text(self, path) if is_copyright or path == _STATUS else None

    @property
    def packages(self) -> list[dict[str, Any]]:
        """Those that are installed, sorted."""
        found = [self._package(fields) for fields in stanzas(self.status)]
        return sorted(found, key=lambda one: (one["name"], one["architecture"]))

    def _package(self, fields: Mapping[str, str]) -> dict[str, Any]:
        name, version = fields["Package"], fields["Version"]
        source, _, source_version = fields.get("Source", name).partition(" ")
        return {
            "name": name,
            "version": version,
            "architecture": fields["Architecture"],
            "source": source,
            "source_version": source_version.strip("()") or version,
            "licenses": licences(self._copyright(name)),
        }

    def _copyright(self, name: str) -> str:
        """The text of a package's copyright file, which may be another one's of the same source."""
        folder = self.links.get(f"{_DOC}/{name}", f"{_DOC}/{name}")
        file = f"{folder}/copyright"
        return self.texts.get(self.links.get(file, file), "")


def licences(text: str) -> list[str]:
    """The licences that a machine-readable copyright file names, in Debian's words; none if it is not one."""
    if not _MACHINE_READABLE.match(text):
        return []
    return sorted(set(_LICENCE.findall(text)))


class _Text:
    """A text that is read whole."""

    def __init__(self, found: Contents, path: str) -> None:
        self._found, self._path, self._bytes = found, path, bytearray()

    def take(self, piece: bytes) -> None:
        self._bytes += piece

    def end(self) -> None:
        text = self._bytes.decode("utf-8", "replace")
        if self._path == _STATUS:
            self._found.status = text
        else:
            self._found.texts[self._path] = text
