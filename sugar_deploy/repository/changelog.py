"""What changed in a package, in its maintainers' words: read from the .deb itself."""

from __future__ import annotations

import contextlib
import gzip
import re
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.repository.versions import compare

DOC = PurePosixPath("usr/share/doc")
MOST_BYTES = 16 * 2**20
"""As much of a changelog as is read: entries begin with the latest."""
_HEADER = re.compile(r"(?P<source>[a-z0-9][a-z0-9+.-]*) \((?P<version>[^()\s]+)\) [^;]*;", re.IGNORECASE)
_SIGNED = re.compile(r" -- .*?  ?(?P<date>\w{3}, .*)$")
_REBUILT = re.compile(r"changelog\.Debian\.[a-z0-9-]+\.gz")
"""What a rebuild for one architecture adds, without a new source."""
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")

Sibling = Callable[[str], Path | None]
"""The file of another package of the same snapshot, by its name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One version's entry."""

    version: str
    date: str
    text: str
    """Its items, as they are written."""

    @property
    def cves(self) -> tuple[str, ...]:
        """The vulnerabilities that it names, sorted."""
        return tuple(sorted(set(_CVE.findall(self.text))))


def entries_between(deb: Path, name: str, older: str, newer: str, sibling: Sibling) -> tuple[Entry, ...]:
    """The entries of versions later than OLDER, up to NEWER; the latest first; empty if there are none."""
    text = read_changelog(deb, name, sibling)
    found = []
    for entry in parse(text):
        if compare(entry.version, older) <= 0:
            break
        if compare(entry.version, newer) <= 0:
            found.append(entry)
    return tuple(found)


def parse(text: str) -> Iterator[Entry]:
    """The entries of a Debian changelog."""
    version, lines = "", list[str]()
    for line in text.splitlines():
        if header := _HEADER.match(line):
            version, lines = header["version"], []
        elif version and (end := _SIGNED.match(line)):
            yield Entry(version, end["date"], "\n".join(lines).strip("\n"))
            version = ""
        else:
            lines.append(line)


def read_changelog(deb: Path, name: str, sibling: Sibling) -> str:
    """The Debian changelog of a package; of the one that its documentation is a link to, where it is."""
    seen: set[str] = set()
    while name not in seen:
        seen.add(name)
        found = _from_deb(deb, name)
        if isinstance(found, str):
            return found
        other = sibling(found.name) if found else None
        if found is None or other is None:
            return ""
        deb, name = other, found.name
    return ""


def _from_deb(deb: Path, name: str) -> str | PurePosixPath | None:
    """The changelog's text, or the folder of another package that has it, or None."""
    files = [DOC / name / file for file in ("changelog.Debian.gz", "changelog.gz", "changelog.Debian", "changelog")]
    found: dict[PurePosixPath, str] = {}
    rebuilt = ""
    with contextlib.suppress(OSError, tarfile.TarError), _members(deb) as archive:
        for member in archive:
            path = PurePosixPath(member.name.removeprefix("./"))
            if path == DOC / name and member.issym():
                return _target(path, member.linkname)
            if path.parent != DOC / name:
                if files[0] in found:
                    break
            elif path in files and member.issym():
                target = _target(path, member.linkname)
                if target.parent != path.parent:
                    return target.parent
                files.append(target)
            elif member.isfile() and path in files:
                found[path] = _text(archive, member)
            elif member.isfile() and _REBUILT.fullmatch(path.name):
                rebuilt = _text(archive, member)
    main = next((found[path] for path in files if path in found), None)
    return rebuilt + main if main is not None else None


@contextlib.contextmanager
def _members(deb: Path) -> Iterator[tarfile.TarFile]:
    """The files of a package, one after the other, as far as they are asked for."""
    process = subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", str(deb)],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            yield archive
    finally:
        process.kill()
        process.communicate()


def _target(link: PurePosixPath, name: str) -> PurePosixPath:
    """Where a symbolic link in /usr/share/doc leads, below the root."""
    parts: list[str] = [] if name.startswith("/") else list(link.parent.parts)
    for part in PurePosixPath(name.lstrip("/")).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return PurePosixPath(*parts)


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    content = file.read(MOST_BYTES) if file else b""
    if content[:2] == b"\x1f\x8b":
        with contextlib.suppress(OSError, EOFError, zlib.error):
            content = gzip.decompress(content)
    return content[:MOST_BYTES].decode(errors="replace")
