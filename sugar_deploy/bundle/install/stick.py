"""Reading a stick: whether all of it is there, and its files, each once, proved while they are read."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sugar_deploy.bundle.layout import FOLDER, MANIFEST, Layout
from sugar_deploy.bundle.manifest import Entry, HalfCopied, Manifest
from sugar_deploy.errors import DeployError, UsageError

BLOCK = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SHOWN = 5


class Unreadable(DeployError):
    """The stick went away, or gives no more data."""


class Damaged(DeployError):
    """A file on the stick is not the one that the manifest names."""


class Full(DeployError):
    """The server's disk has no room."""


def find(path: Path) -> Layout:
    """The bundle at a path: a stick's root, or its folder sugar-deploy/."""
    try:
        path = path.resolve(strict=True)
    except OSError as error:
        raise UsageError(
            f"there is nothing at {path}: {error.strerror}", "Is the stick mounted? `findmnt` shows where"
        ) from error
    if not path.is_dir():
        raise UsageError(f"{path} is no folder", "Name the folder where the stick is mounted")
    layout = Layout(path.parent if path.name == FOLDER and (path / MANIFEST).exists() else path)
    if not layout.folder.is_dir():
        raise UsageError(
            f"there is no bundle in {path}: it has no folder {FOLDER}/",
            "Is the right stick mounted there? `findmnt` shows what is mounted where",
        )
    return layout


@contextmanager
def reading(root: Path) -> Iterator[None]:
    """Say in words what it means that a stick cannot be read."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise Unreadable(
            f"the stick at {root} cannot be read ({error.strerror}): {error.filename or 'it was reading'}",
            "Was it pulled out? Put it back and run the same command again; if it happens again, write another stick",
        ) from error


def require_whole(layout: Layout, manifest: Manifest) -> None:
    """Refuse a stick on which files are missing or shorter than they were: seen without reading them."""
    missing, wrong = [], []
    with reading(layout.root):
        for entry in manifest.files:
            try:
                status = layout.file(entry.path).lstat()
            except (FileNotFoundError, NotADirectoryError):
                missing.append(entry.path)
                continue
            if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
                wrong.append(entry.path)
    if missing or wrong:
        what = [f"missing: {_some(missing)}"] if missing else []
        what += [f"of the wrong size: {_some(wrong)}"] if wrong else []
        raise HalfCopied(
            f"the bundle in {layout.root} is only half copied: {'; '.join(what)}",
            "Copy it again as a whole, or write the stick again (sugar-deploy repo bundle)",
        )


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


def read(layout: Layout, entry: Entry, target: Path | None, told: Callable[[int], None]) -> None:
    """Read a file once, proving it, and copy it where a target is given; the target is there whole or not at all."""
    digest = hashlib.sha256()
    draft = target.with_name(f".{target.name}.part") if target else None
    try:
        out = draft.open("wb") if draft else None
        try:
            _copy(layout, entry, out, digest.update, told)
            if out:
                out.flush()
        finally:
            if out:
                out.close()
        if digest.hexdigest() != entry.sha256:
            raise Damaged(
                f"{entry.path} on the stick is damaged or was tampered with: it is not what was signed",
                "Write the stick again; if it happens again, the stick is bad",
            )
        if draft and target:
            draft.rename(target)
    except OSError as error:
        if error.errno in _FULL:
            raise Full(
                f"this server's disk is full: {target} cannot be written",
                "Make room, then run the same command again",
            ) from error
        raise
    finally:
        if draft:
            draft.unlink(missing_ok=True)


def _copy(
    layout: Layout,
    entry: Entry,
    out: IO[bytes] | None,
    update: Callable[[bytes], None],
    told: Callable[[int], None],
) -> None:
    with reading(layout.root):
        # Not through a link: a stick leads nowhere but to itself.
        descriptor = os.open(layout.file(entry.path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        while True:
            with reading(layout.root):
                block = source.read(BLOCK)
            if not block:
                return
            update(block)
            if out:
                out.write(block)
            told(len(block))
