"""Debian's signed indexes on this machine: fetched, checked and kept by apt."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.files import sha256_of
from sugar_deploy.repository.derive.apt import Apt, make_apt
from sugar_deploy.repository.derive.faults import Kind, explain, read_fault
from sugar_deploy.repository.derive.mirror import Mirror

Say = Callable[[str], None]
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TRIES = 3
PAUSE_SECONDS = 10
KEPT_DAYS = 60


class DamagedIndex(Exception):
    """An index on this machine was not what Debian signed; it has been dropped."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The indexes of some suites for some architectures, from one mirror."""

    area: Path
    mirror: Mirror
    suites: tuple[str, ...]
    architectures: tuple[str, ...]
    keyring: Path
    held: int

    def apt(self, suite: str, architecture: str) -> Apt:
        """An apt that knows one suite and has one architecture."""
        return make_apt(self.area, f"{suite}-{architecture}", self._sources(suite), (architecture,), self.held)

    def update(self, say: Say) -> None:
        """Ask the mirror what is new; with no way to it, go on with what was fetched before and say so."""
        self._prune()
        if not self.keyring.is_file():
            raise DeployError(
                f"Debian's keys are not on this machine: there is no {self.keyring}",
                "Run: sudo apt-get install debian-archive-keyring",
            )
        apt = make_apt(
            self.area,
            "update",
            [line for one in self.suites for line in self._sources(one)],
            self.architectures,
            self.held,
        )
        for left in reversed(range(TRIES)):
            result = apt.run("apt-get", "-q", "-o", "pkgCacheFile::Generate=false", "update")
            if result.returncode == 0:
                break
            fault = read_fault(result.stderr)
            if fault.kind is Kind.UNREACHABLE and not self._missing():
                say(f"No way to {self.mirror.main}: going on with Debian's indexes of {self.date()}")
                return
            if fault.kind is not Kind.MOVING or not left:
                raise explain(fault, self.area, now())
            say(f"{self.mirror.main} is in the middle of an update: asking again in {PAUSE_SECONDS} s")
            time.sleep(PAUSE_SECONDS)
        if missing := self._missing():
            raise DeployError(
                f"{self.mirror.main} has no packages of {missing[0]}",
                "Correct repository.suites, repository.architectures or repository.mirror",
            )

    def prove(self, suite: str, architecture: str) -> None:
        """Drop indexes that are not what Debian signed, as after a power cut: apt itself would not notice.

        Raises DamagedIndex.
        """
        damaged = False
        for release in self._releases(suite):
            pattern = rf"^SHA256:\n(?: .*\n)*? ([0-9a-f]{{64}}) +([1-9]\d*) main/binary-{architecture}/Packages$"
            listed = re.search(pattern, release.read_text(errors="replace"), re.MULTILINE)
            prefix = release.name.removesuffix("InRelease")
            packages = release.with_name(f"{prefix}main_binary-{architecture}_Packages")
            if listed and not (packages.is_file() and sha256_of(packages) == listed[1]):
                packages.unlink(missing_ok=True)
                release.unlink()
                damaged = True
        if damaged:
            raise DamagedIndex(f"{suite} for {architecture}")

    def fingerprint(self, suite: str) -> str:
        """A hash that changes with any of a suite's indexes."""
        content = [path.read_bytes() for path in self._releases(suite)]
        return hashlib.sha256(b"\0".join(content)).hexdigest()

    def date(self) -> str:
        """When the newest of the indexes was signed: year, month and day."""
        dates = [
            parsedate_to_datetime(match[1].replace("UTC", "+0000"))
            for suite in self.suites
            for path in self._releases(suite)
            if (match := re.search(r"^Date: (.+)$", path.read_text(errors="replace"), re.MULTILINE))
        ]
        return f"{max(dates):%Y-%m-%d}"

    def _prune(self) -> None:
        """Drop the indexes that no deployment has asked for since long ago."""
        self.area.mkdir(parents=True, exist_ok=True)
        os.utime(self.area)
        oldest = time.time() - KEPT_DAYS * 86400
        for other in self.area.parent.iterdir():
            if other.stat().st_mtime < oldest:
                shutil.rmtree(other, ignore_errors=True)

    def _sources(self, suite: str) -> tuple[str, ...]:
        return tuple(
            f"deb [signed-by={self.keyring}]{line.removeprefix('deb')}" for line in self.mirror.sources(suite)
        )

    def _releases(self, suite: str) -> list[Path]:
        lists = self.area / "lists"
        return sorted(path for path in lists.glob("*_InRelease") if re.search(rf"_dists_{suite}(-\w+)?_", path.name))

    def _missing(self) -> list[str]:
        """What was never fetched: suites, and architectures of suites. Only the pockets may be empty."""
        lists = self.area / "lists"
        pockets = {line.split()[-2] for suite in self.suites for line in self.mirror.sources(suite)}
        missing = [pocket for pocket in sorted(pockets) if not any(lists.glob(f"*_dists_{pocket}_InRelease"))]
        return missing + [
            f"{suite} for {architecture}"
            for suite in self.suites
            for architecture in self.architectures
            if not any(lists.glob(f"*_dists_{suite}_main_binary-{architecture}_Packages*"))
        ]


def area_name(mirror: Mirror, suites: Sequence[str], architectures: Sequence[str]) -> str:
    """The folder's name for what is fetched from a mirror."""
    text = "\n".join([mirror.main, mirror.security or "", *suites, "", *architectures])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def now() -> str:
    """This machine's time, for people."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
