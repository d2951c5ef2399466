"""Debian's packages on this machine: fetched once for all deployments, proved, and dropped when long unused."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from sugar_deploy.errors import DeployError
from sugar_deploy.files import sha256_of, write_atomically
from sugar_deploy.repository.derive.apt import HELPER, Apt
from sugar_deploy.repository.derive.archive import now
from sugar_deploy.repository.derive.faults import Fault, Kind, explain, read_fault
from sugar_deploy.repository.derive.resolver import Package

Say = Callable[[str], None]
BATCH = 200
KEPT_DAYS = 60
REPORT_SECONDS = 10
TRIES = 3
MIB = 1024 * 1024
DAY_SECONDS = 86400


class Outdated(Exception):
    """The mirror no longer has what its indexes named: they have to be fetched again."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.line)
        self.fault = fault


@dataclass
class Store:
    """The packages under ROOT; what has once been proved is known by size, time and inode, and not read again."""

    root: Path
    apt: Apt
    say: Say
    proved: dict[str, list[int]] = field(default_factory=dict)
    """Path below the root → size, time of change in ns, inode, day of last use."""

    @property
    def _record(self) -> Path:
        return self.root / "proved.json"

    def fetch(self, packages: Iterable[Package]) -> dict[str, Path]:
        """Where each package lies, by SHA-256: taken from the store, or downloaded. Raises Outdated."""
        wanted = {package.sha256: package for package in packages}
        self._load()
        before = json.dumps(self.proved, sort_keys=True)
        try:
            missing = [package for package in wanted.values() if not self._holds(package)]
            if missing:
                self._download(sorted(missing))
            self._prune()
        finally:
            if json.dumps(self.proved, sort_keys=True) != before:
                write_atomically(self._record, json.dumps(self.proved, sort_keys=True) + "\n")
        return {sha256: self.root / place(package) for sha256, package in wanted.items()}

    def _load(self) -> None:
        (self.root / "partial").mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError, ValueError):
            loaded = json.loads(self._record.read_text())
            self.proved = {str(name): [int(number) for number in entry] for name, entry in loaded.items()}

    def _holds(self, package: Package) -> bool:
        name = place(package)
        path = self.root / name
        try:
            seen = _identity(path)
        except OSError:
            self.proved.pop(name, None)
            return False
        if self.proved.get(name, [])[:3] == seen:
            self.proved[name][3:] = [_today()]
            return True
        if seen[0] == package.size and sha256_of(path) == package.sha256:
            self.proved[name] = [*seen, _today()]
            return True
        self.say(f"{path} is damaged: fetching it again")
        path.unlink()
        self.proved.pop(name, None)
        return False

    def _download(self, missing: Sequence[Package]) -> None:
        self._require_space(missing)
        size = sum(package.size for package in missing)
        self.say(f"Downloading {len(missing)} packages, {_mib(size)}")
        progress = Progress(self.say, size)
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            self._download_batch(batch, progress)
            progress.done += sum(package.size for package in batch)

    def _download_batch(self, batch: Sequence[Package], progress: Progress) -> None:
        left = list(batch)
        for again in reversed(range(TRIES)):
            status, stderr = self._run(left, progress)
            if status == 0:
                for package in left:
                    self._adopt(package)
                return
            left = [package for package in left if not self._adopt_if_whole(package)]
            if not left:
                return
            fault = read_fault(stderr)
            if fault.kind is Kind.MISSING:
                raise Outdated(fault)
            if fault.kind is not Kind.MOVING or not again:
                raise explain(fault, self.root, now())
            self.say("A package is not what Debian signed: fetching it again")

    def _run(self, batch: Sequence[Package], progress: Progress) -> tuple[int, str]:
        """Let apt download; whatever the last one left unfinished, it carries on."""
        files = [
            word for package in batch for word in (_quoted(package.uri), str(self._part(package)), _hash(package))
        ]
        log = self.root / "partial" / "messages"
        with log.open("w+", encoding="utf-8", errors="replace") as messages:
            process = subprocess.Popen(
                [HELPER, "-q", "download-file", *files],
                env=self.apt.environment,
                pass_fds=(self.apt.held,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=messages,
            )
            try:
                while process.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(0.5)
                    progress.tell(sum(_size(self._part(package)) for package in batch))
            except BaseException:
                process.terminate()
                process.wait()
                raise
            messages.seek(0)
            return process.returncode, messages.read()

    def _part(self, package: Package) -> Path:
        return self.root / "partial" / package.sha256

    def _adopt(self, package: Package) -> None:
        """Take over a file that apt has just proved."""
        name = place(package)
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._part(package).replace(path)
        self.proved[name] = [*_identity(path), _today()]

    def _adopt_if_whole(self, package: Package) -> bool:
        part = self._part(package)
        part.with_name(f"{part.name}.FAILED").unlink(missing_ok=True)
        if _size(part) != package.size:
            return False
        if sha256_of(part) != package.sha256:
            part.unlink()
            return False
        self._adopt(package)
        return True

    def _require_space(self, missing: Sequence[Package]) -> None:
        needed = sum(max(0, package.size - _size(self._part(package))) for package in missing)
        free = shutil.disk_usage(self.root).free
        if needed > free:
            raise DeployError(
                f"{self.root} has {_mib(free)} free, and Debian's packages need {_mib(needed)}",
                "Make room there, or set XDG_CACHE_HOME to a folder on a larger disk",
            )

    def _prune(self) -> None:
        """Drop what no deployment has asked for since long ago."""
        oldest = _today() - KEPT_DAYS
        for name in [name for name, entry in self.proved.items() if entry[3] < oldest]:
            path = self.root / name
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                path.parent.rmdir()
            del self.proved[name]
        for part in (self.root / "partial").iterdir():
            if part.stat().st_mtime < oldest * DAY_SECONDS:
                part.unlink(missing_ok=True)


@dataclass
class Progress:
    """Tells now and then how much has been downloaded."""

    say: Say
    size: int
    done: int = 0
    told: float = field(default_factory=time.monotonic)

    def tell(self, more: int) -> None:
        """Say it, if some seconds have passed since the last time."""
        if time.monotonic() - self.told >= REPORT_SECONDS:
            self.told = time.monotonic()
            self.say(f"Downloaded {_mib(self.done + more)} of {_mib(self.size)}")


def place(package: Package) -> str:
    """Where a package lies below the store's root: by content, under the name that Debian gives it."""
    return f"pool/{package.sha256[:2]}/{package.sha256}/{package.uri.rpartition('/')[2]}"


def _identity(path: Path) -> list[int]:
    seen = path.stat()
    return [seen.st_size, seen.st_mtime_ns, seen.st_ino]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _hash(package: Package) -> str:
    return f"SHA256:{package.sha256}"


def _quoted(uri: str) -> str:
    return quote(uri, safe=":/~")


def _today() -> int:
    return int(time.time() // DAY_SECONDS)


def _mib(size: int) -> str:
    return f"{size / MIB:,.1f} MiB"
