"""The tool itself as Python wheels, for every suite and architecture of the bundle; cached by their lists' hash.

Kept complete in incremental bundles, too: they are 10 to 25 MB, and what a school's machine has in its environment
cannot be proved from the wheels once they are installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.own_wheel import own_wheel
from sugar_deploy.errors import DeployError
from sugar_deploy.keys.gpg import cache_home
from sugar_deploy.locks import BUILD_LOCK, PYTHONS, lock_text
from sugar_deploy.locks.platforms import pip_arguments

_LINE = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+) --hash=sha256:(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Wheels:
    """What goes into the bundle's folder wheels/: wheels, and one requirements file for each target."""

    files: tuple[Path, ...]
    lists: dict[str, str]
    """File name → text."""


def wheels(suites: Sequence[str], architectures: Sequence[str], say: Callable[[str], None]) -> Wheels:
    """The tool's wheel and all that it needs; raises DeployError where they are neither cached nor to be had."""
    cache = cache_home(os.environ) / "sugar-deploy" / "wheels"
    found: dict[str, Path] = {}
    lists: dict[str, str] = {}
    own = own_wheel(cache / "own", lambda: _complete(BUILD_LOCK.read_text(), [], cache, say), say)
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    found[own.name] = own
    version = own.name.split("-")[1]
    for suite in suites:
        for architecture in architectures:
            text = lock_text(suite, architecture)
            arguments = pip_arguments(PYTHONS[suite], architecture)
            for path in _complete(text, arguments, cache, say):
                found[path.name] = path
            lists[f"{suite}-{architecture}.txt"] = f"{text}sugar-deploy=={version} --hash=sha256:{digest}\n"
    return Wheels(tuple(found[name] for name in sorted(found)), lists)


def _complete(text: str, arguments: Sequence[str], cache: Path, say: Callable[[str], None]) -> tuple[Path, ...]:
    """The wheels of a list, from the cache or from the network."""
    folder = cache / hashlib.sha256(text.encode()).hexdigest()[:16]
    wanted = {line["sha256"]: line["name"] for line in _LINE.finditer(text)}
    found = _by_hash(folder)
    if wanted.keys() - found.keys():
        say(f"Fetching {len(wanted)} Python packages")
        _download(text, arguments, folder)
        found = _by_hash(folder)
    if missing := sorted(name for digest, name in wanted.items() if digest not in found):
        raise DeployError(f"pip brought other wheels than the listed ones of {', '.join(missing)}")
    return tuple(sorted(found[digest] for digest in wanted))


def _by_hash(folder: Path) -> dict[str, Path]:
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(folder.glob("*.whl"))}


def _download(text: str, arguments: Sequence[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as draft:
        requirements = Path(draft) / "requirements.txt"
        requirements.write_text(text)
        options = ["--no-deps", "--only-binary=:all:", "--require-hashes", *arguments]
        pip("download", "-d", draft, *options, "-r", str(requirements), purpose="Python packages cannot be fetched")
        for wheel in Path(draft).glob("*.whl"):
            wheel.replace(folder / wheel.name)


def pip(*arguments: str, purpose: str, environment: dict[str, str] | None = None) -> None:
    """Run this Python's pip; raises DeployError with the last thing it said."""
    argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = [
            line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING: Location")
        ]
        raise DeployError(
            f"{purpose}: {said[-1].removeprefix('ERROR: ') if said else 'pip said nothing'}",
            "Is this machine online, and does `python3 -m pip` work? What was fetched already is kept",
        )
