"""Builds Debian packages from source folders, once for each state of the source."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.keys.gpg import cache_home
from sugar_deploy.repository.lock import exclusive
from sugar_deploy.repository.processes import Processes
from sugar_deploy.repository.proved import Proved
from sugar_deploy.repository.sources import Source, copy_clean, find_sources
from sugar_deploy.repository.tools import require_build_dependencies, require_build_tools
from sugar_deploy.resources import resource

Say = Callable[[str], None]
WORKERS = 2
LOG_LINES = 15
MANIFEST = "built.json"
KEPT_DAYS = 60


@dataclass(frozen=True, slots=True)
class Built:
    """A built source package: its binary packages, and whether they came from the cache."""

    source: Source
    debs: tuple[Path, ...]
    cached: bool
    seconds: float

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "name": self.source.name,
            "version": self.source.version,
            "source": str(self.source.path),
            "digest": self.source.digest,
            "cached": self.cached,
            "seconds": round(self.seconds, 1),
            "debs": [str(deb) for deb in self.debs],
        }


def quiet(_text: str) -> None:
    """Says nothing."""


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where built packages are kept, one folder for each state of a source."""
    return cache_home(os.environ if environment is None else environment) / "sugar-deploy" / "packages"


def build(say: Say = quiet, *, sources: Path | None = None, cache: Path | None = None) -> tuple[Built, ...]:
    """Build every source package in the folder SOURCES, by default the tool's own; sorted by name."""
    cache = cache or cache_folder()
    found = find_sources(sources or resource("packages"))
    proved = Proved(cache / "proved.json")
    missing = [source for source in found if _from_cache(cache, source, proved) is None]
    if missing:
        require_build_tools()
        require_build_dependencies(missing)
        cache.mkdir(parents=True, exist_ok=True)
    built = _build_all(found, cache, say, proved)
    proved.save()
    return built


def _build_all(sources: tuple[Source, ...], cache: Path, say: Say, proved: Proved) -> tuple[Built, ...]:
    processes = Processes()
    turn = threading.Lock()

    def in_turn(text: str) -> None:
        with turn:
            say(text)

    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            futures = [pool.submit(_build_one, source, cache, in_turn, processes, proved) for source in sources]
            return tuple(future.result() for future in futures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.stop()
            raise


def _from_cache(cache: Path, source: Source, proved: Proved) -> tuple[Path, ...] | None:
    """A source's packages, if all of them are there as they were built; those that PROVED knows are not read."""
    folder = cache / source.digest
    try:
        hashes = json.loads((folder / MANIFEST).read_text())["debs"]
        paths = tuple(folder / name for name in sorted(hashes))
        whole = all(proved.sha256(path) == hashes[path.name] for path in paths)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return paths if paths and whole else None


def _build_one(source: Source, cache: Path, say: Say, processes: Processes, proved: Proved) -> Built:
    started = time.monotonic()
    if debs := _from_cache(cache, source, proved):
        os.utime(cache / source.digest)
        return Built(source, debs, True, 0.0)
    busy = f"{source.name} is being built by another process"
    with exclusive(cache / f".{source.name}.lock", busy, say) as held:
        if debs := _from_cache(cache, source, proved):
            return Built(source, debs, True, time.monotonic() - started)
        say(f"{source.name} {source.version}: building")
        _clear(cache, source)
        area = Path(tempfile.mkdtemp(prefix=f".{source.digest}.", dir=cache))
        try:
            _compile(source, area, cache, processes, held)
            debs = _store(source, area, cache)
        finally:
            shutil.rmtree(area, ignore_errors=True)
    seconds = time.monotonic() - started
    say(f"{source.name} {source.version}: built in {seconds:.0f} s")
    return Built(source, debs, False, seconds)


def _clear(cache: Path, source: Source) -> None:
    """Remove what killed builds left of this source, and what nobody has asked for since long ago."""
    oldest = time.time() - KEPT_DAYS * 86400
    for path in cache.iterdir():
        if not path.is_dir():
            continue
        if path.name == source.digest or path.name.startswith(f".{source.digest}.") or path.stat().st_mtime < oldest:
            shutil.rmtree(path, ignore_errors=True)


def build_argv() -> tuple[str, ...]:
    """Architecture-independent packages only, from a clean tree, unsigned: the repository is what is signed."""
    return ("dpkg-buildpackage", "--build=all", "--no-sign", "--no-pre-clean", "--no-check-builddeps")


def build_environment(source: Source, home: Path) -> dict[str, str]:
    """The same for every deployer: Debian's own programs (no virtual environment's), no settings of theirs."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(source.epoch),
        "DEB_BUILD_OPTIONS": "nocheck",
        "DEB_BUILD_PROFILES": "nocheck",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _compile(source: Source, area: Path, cache: Path, processes: Processes, held: int) -> None:
    area.chmod(0o755)
    tree = area / "source"
    copy_clean(source, tree)
    log = cache / f"{source.name}.log"
    status = processes.run(
        build_argv(), log=log, cwd=tree, environment=build_environment(source, area / "home"), keep=held
    )
    if status:
        tail = "\n".join(log.read_text(errors="replace").rstrip().splitlines()[-LOG_LINES:])
        raise DeployError(
            f"{source.name} {source.version} from {source.path} does not build (status {status}):\n{tail}\n",
            f"The whole log: {log}",
        )


def _store(source: Source, area: Path, cache: Path) -> tuple[Path, ...]:
    """Move the built packages into the cache in one step."""
    done = area / "done"
    done.mkdir()
    for deb in sorted(area.glob("*.deb")):
        deb.chmod(0o644)
        deb.replace(done / deb.name)
        with (done / deb.name).open("rb") as file:
            os.fsync(file.fileno())
    debs = sorted(done.glob("*.deb"))
    if not debs:
        raise DeployError(
            f"{source.path} gave no package", "Its debian/control needs a package with `Architecture: all`"
        )
    hashes = {deb.name: hashlib.sha256(deb.read_bytes()).hexdigest() for deb in debs}
    about = {"source": source.name, "version": source.version, "debs": hashes}
    write_atomically(done / MANIFEST, json.dumps(about, indent=1) + "\n", 0o644)
    target = cache / source.digest
    done.replace(target)
    return tuple(target / deb.name for deb in debs)
