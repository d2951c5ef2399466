# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups are kept: a home for each key, and links that name the homes by their laptops' serials.

The names inside of a home are ds-backup's, which statistics and restore tools read. The home is the key's, not the
serial's: two children with one serial have two homes, and a child whose serial changes keeps the same one.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDERS = ("datastore-current", "power-logs", "documents")
"""What laptops bring."""
_IDENTITY = re.compile(r"[0-9a-f]{64}")
_MODE = 0o750


class Busy(Exception):
    """Something else is at work in this home."""


def identity_of(fingerprint: str) -> str:
    """The name of a key's home: the hexadecimal digits of its fingerprint, SHA256:…"""
    encoded = fingerprint[len("SHA256:") :]
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4)).hex()


@dataclass(frozen=True)
class Home:
    """One child's backups."""

    path: Path

    @property
    def identity(self) -> str:
        return self.path.name

    @property
    def current(self) -> Path:
        return self.path / "datastore-current"

    @property
    def latest(self) -> Path:
        return self.path / "datastore-latest"

    @property
    def dirty(self) -> bool:
        """True while datastore-current may hold what no snapshot holds."""
        return (self.path / ".dirty").exists()

    def mark(self, dirty: bool) -> None:
        if dirty:
            (self.path / ".dirty").touch()
        else:
            (self.path / ".dirty").unlink(missing_ok=True)

    @property
    def serial(self) -> str:
        """Of the laptop when it last came; empty if none came yet."""
        try:
            return (self.path / ".serial").read_text()
        except FileNotFoundError:
            return ""

    def set_serial(self, serial: str) -> None:
        _replace_text(self.path / ".serial", serial)


class Homes:
    """All homes of the school."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, identity: str) -> Home:
        return Home(self.folder / "homes" / identity)

    def all(self) -> list[Home]:
        try:
            names = sorted(path.name for path in (self.folder / "homes").iterdir())
        except FileNotFoundError:
            return []
        return [self.of(name) for name in names if _IDENTITY.fullmatch(name)]

    def named(self, name: str) -> list[Home]:
        """The homes of a serial, a fingerprint or an identity."""
        if name.startswith("SHA256:"):
            with contextlib.suppress(ValueError):
                name = identity_of(name)
        return [home for home in self.all() if home.identity == name or home.serial.lower() == name.lower() != ""]

    def enter(self, identity: str, serial: str) -> Home:
        """The home of a laptop that comes with this serial: made where there is none, and linked by the serial."""
        home = self.of(identity)
        for folder in (home.path, *(home.path / name for name in FOLDERS)):
            folder.mkdir(mode=_MODE, parents=True, exist_ok=True)
        if home.serial != serial:
            self._unlink(home, home.serial)
            home.set_serial(serial)
        self._link(home, serial)
        return home

    def take_out(self, home: Home) -> Path:
        """The folder of a home that is no home any more, to be removed; the service's next start does it as well."""
        removing = self.folder / "incoming" / f"{home.identity}-{time.time_ns()}"
        removing.parent.mkdir(mode=_MODE, exist_ok=True)
        with self.locked(home.identity):
            self._unlink(home, home.serial)
            home.path.rename(removing)
        return removing

    def _link(self, home: Home, serial: str) -> None:
        users = self.folder / "users"
        users.mkdir(mode=_MODE, exist_ok=True)
        other = _target(users / serial)
        name = serial
        if other not in ("", home.identity) and self.of(other).serial == serial:
            name = _second_name(home, serial)  # the serial is another child's as well
        if _target(users / name) != home.identity:
            replace_link(users / name, f"../homes/{home.identity}")

    def _unlink(self, home: Home, serial: str) -> None:
        """The links of a serial that the laptop no longer has."""
        for name in (serial, _second_name(home, serial)) if serial else ():
            link = self.folder / "users" / name
            if _target(link) == home.identity:
                link.unlink()

    @contextlib.contextmanager
    def locked(self, identity: str, seconds: float = 0) -> Iterator[None]:
        """Alone in a home: who holds it already has SECONDS to leave. Ends with the process, whatever ends that."""
        deadline = time.monotonic() + seconds
        with self.lock_file(identity) as lock:
            while not try_lock(lock):
                if time.monotonic() >= deadline:
                    raise Busy("another backup of this laptop is under way")
                time.sleep(0.1)
            yield

    @contextlib.contextmanager
    def lock_file(self, identity: str) -> Iterator[int]:
        """A file descriptor to lock with try_lock."""
        locks = self.folder / "locks"
        locks.mkdir(mode=_MODE, parents=True, exist_ok=True)
        lock = os.open(locks / identity, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            yield lock
        finally:
            os.close(lock)


def try_lock(lock: int) -> bool:
    """Locks it, if nobody else has."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def replace_link(link: Path, target: str) -> None:
    """Points LINK at TARGET; it is there at every moment."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(link)


def _replace_text(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.replace(path)


def _target(link: Path) -> str:
    """The identity whose home LINK names; empty if it names none."""
    try:
        return Path(link.readlink()).name
    except OSError:
        return ""


def _second_name(home: Home, serial: str) -> str:
    return f"{serial}-{home.identity[:8]}"
