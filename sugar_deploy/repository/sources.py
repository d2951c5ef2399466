"""Source packages: folders with a debian/ in them, their identity, and clean copies to build in."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from sugar_deploy.errors import DeployError, UsageError

# Raised when the same source would give other packages than before: it is part of each source's identity.
RECIPE = 1

# What tools leave behind in a source tree; never part of a package.
DERIVED = (
    "__pycache__",
    "*.pyc",
    ".*_cache",
    ".hypothesis",
    ".pybuild",
    "*.egg-info",
    ".git",
    "*~",
    "*.swp",
    "debian/.debhelper",
    "debian/files",
    "debian/tmp",
    "debian/*.substvars",
    "debian/*.debhelper.log",
    "debian/*.*.debhelper",
    "debian/debhelper-build-stamp",
)

_FIRST_LINE = re.compile(r"(?P<name>[a-z0-9][a-z0-9+.-]+) \((?P<version>[A-Za-z0-9.+~:-]+)\) [^;]+;.*")
_TRAILER = re.compile(r" -- .+ <.*>  (?P<date>.+)")


@dataclass(frozen=True, slots=True)
class Source:
    """A source package; `digest` identifies what it holds, `epoch` is the date of its last changelog entry."""

    name: str
    version: str
    epoch: int
    path: Path
    digest: str


def find_sources(root: Path) -> tuple[Source, ...]:
    """The source packages in the folders of ROOT, sorted by name."""
    folders = sorted(changelog.parent.parent for changelog in root.glob("*/debian/changelog"))
    sources = tuple(read_source(folder) for folder in folders)
    names: dict[str, Path] = {}
    for source in sources:
        if source.name in names:
            raise UsageError(f"both {names[source.name]} and {source.path} are called {source.name}")
        names[source.name] = source.path
    return sources


def read_source(folder: Path) -> Source:
    """The source package in a folder."""
    name, version, epoch = read_changelog(folder / "debian" / "changelog")
    return Source(name, version, epoch, folder, digest(folder, version))


def read_changelog(file: Path) -> tuple[str, str, int]:
    """Name, version and date (seconds since the epoch) of a Debian changelog's newest entry."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    first = _FIRST_LINE.fullmatch(lines[0].rstrip()) if lines else None
    if first is None:
        raise DeployError(
            f"{file}:1: this is not how a Debian changelog begins", "As in: hello (0.1.0) unstable; urgency=medium"
        )
    for number, line in enumerate(lines, 1):
        if trailer := _TRAILER.fullmatch(line.rstrip()):
            try:
                epoch = int(parsedate_to_datetime(trailer["date"]).timestamp())
            except ValueError:
                raise DeployError(
                    f"{file}:{number}: {trailer['date']} is no date", "Write it as `date -R` prints it"
                ) from None
            return first["name"], first["version"], epoch
    raise DeployError(f"{file}: its first entry lacks the line that ends it", "As in:  -- Name <mail>  DATE")


def entries(folder: Path) -> Iterator[tuple[str, Path]]:
    """The folders, files and links of a source tree, parents first, as (relative name, path)."""
    for parent, folders, files in os.walk(folder):
        base = PurePosixPath(Path(parent).relative_to(folder).as_posix())
        names = {name: str(base / name) for name in sorted(folders + files)}
        folders[:] = sorted(name for name in folders if not _derived(names[name]))
        for name, relative in names.items():
            if not _derived(relative):
                yield relative, Path(parent) / name


def _derived(relative: str) -> bool:
    name = PurePosixPath(relative).name
    return any(fnmatch(relative if "/" in pattern else name, pattern) for pattern in DERIVED)


def digest(folder: Path, version: str) -> str:
    """A hash of a source tree: names, content, whether executable, links' targets; and of the version."""
    total = hashlib.sha256(f"recipe {RECIPE}\nversion {version}\n".encode())
    for relative, path in sorted(entries(folder)):
        if path.is_symlink():
            kind, content = "link", os.fsencode(path.readlink())
        elif path.is_dir():
            continue
        else:
            kind = "program" if path.stat().st_mode & 0o100 else "file"
            content = path.read_bytes()
        total.update(f"{kind} {relative}\n{hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def copy_clean(source: Source, target: Path) -> None:
    """Copy a source tree without what tools left in it; modes and times do not depend on whose checkout it is."""
    target.mkdir(mode=0o755)
    copied = [target]
    for relative, path in entries(source.path):
        copy = target / relative
        copied.append(copy)
        if path.is_symlink():
            copy.symlink_to(path.readlink())
        elif path.is_dir():
            copy.mkdir(mode=0o755)
        else:
            shutil.copyfile(path, copy)
            copy.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    for copy in reversed(copied):
        os.utime(copy, (source.epoch, source.epoch), follow_symlinks=False)
