"""`python -m sugar_deploy.locks`: write the lists of every target anew, as pip finds the packages today."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from sugar_deploy.files import write_atomically
from sugar_deploy.locks import BUILD_LOCK, DEBIAN, MACHINES, PYTHONS, lock_file
from sugar_deploy.locks.platforms import pip_arguments

# Python package → the Debian package that stands in for it.
_COUNTERPARTS = {
    "bcrypt": "python3-bcrypt",
    "cryptography": "python3-cryptography",
    "markupsafe": "python3-markupsafe",
    "pynacl": "python3-nacl",
    "pyyaml": "python3-yaml",
}
# Debian's cffi is older than the one that the wheels of these ask for: without a wheel of cffi, they are Debian's
# too, and those bring it along. And where they are Debian's, nobody needs a wheel of cffi.
_USERS = {"cffi": ("cryptography", "pynacl"), "pycparser": ("cffi",)}
_MISSING = re.compile(r"No matching distribution found for ([A-Za-z0-9._-]+)==")
_HEADER = "# Made by `python -m sugar_deploy.locks` from requirements.lock: do not edit.\n"


def main() -> None:
    """Write all lists."""
    pins = _closure(Path("requirements.lock"))
    for suite, python in PYTHONS.items():
        for architecture in MACHINES:
            write_atomically(lock_file(suite, architecture), _lock(pins, python, architecture), 0o644)
            sys.stdout.write(f"{suite} {architecture}\n")
    with tempfile.TemporaryDirectory() as folder:
        _fetch(Path(folder), "hatchling")
        write_atomically(BUILD_LOCK, _HEADER + "".join(_hashed(Path(folder))), 0o644)


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)


def _closure(lock: Path) -> dict[str, str]:
    """Every package that the lock brings, with its version."""
    done = _pip("install", "-q", "--dry-run", "--ignore-installed", "--report", "-", "-r", str(lock))
    if done.returncode:
        raise SystemExit(done.stderr)
    found = (one["metadata"] for one in json.loads(done.stdout)["install"])
    return {re.sub(r"[-_.]+", "-", one["name"]).lower(): one["version"] for one in found}


def _lock(pins: dict[str, str], python: str, architecture: str) -> str:
    wanted = dict(pins)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while missing := _missing(wanted, folder, python, architecture):
            if missing not in _COUNTERPARTS.keys() | _USERS:
                raise SystemExit(f"there is no wheel of {missing} for Python {python} on {architecture}")
            for package in (missing, *_USERS.get(missing, ())):
                wanted.pop(package, None)
        for package, users in _USERS.items():
            if not wanted.keys() & users:
                wanted.pop(package, None)
        lines = [line for line in _hashed(folder) if line.partition("==")[0] in wanted]
    stand_ins = sorted(filter(None, (_COUNTERPARTS.get(package) for package in pins.keys() - wanted.keys())))
    return _HEADER + (f"{DEBIAN} {' '.join(stand_ins)}\n" if stand_ins else "") + "".join(lines)


def _missing(wanted: dict[str, str], folder: Path, python: str, architecture: str) -> str:
    """Download all; the first package that pip finds no wheel of, or nothing."""
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{package}=={version}\n" for package, version in wanted.items()))
    done = _pip("download", "-q", "-d", str(folder), *pip_arguments(python, architecture), "-r", str(requirements))
    found = _MISSING.search(done.stderr)
    if done.returncode and not found:
        raise SystemExit(done.stderr)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def _fetch(folder: Path, package: str) -> None:
    done = _pip("download", "-q", "-d", str(folder), "--only-binary=:all:", package)
    if done.returncode:
        raise SystemExit(done.stderr)


def _hashed(folder: Path) -> list[str]:
    """A line of a requirements file for each wheel in the folder, sorted."""
    lines = []
    for wheel in folder.glob("*.whl"):
        name, version, _ = wheel.name.split("-", maxsplit=2)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{re.sub(r'[-_.]+', '-', name).lower()}=={version} --hash=sha256:{digest}\n")
    return sorted(lines)


if __name__ == "__main__":
    main()
