"""The Python packages that the tool needs at a school: exact versions and hashes, for each suite and architecture.

The lists lie beside this file, one for each target; `python -m sugar_deploy.locks` makes them anew from
requirements.lock by asking pip. Where nobody makes a wheel for an architecture, Debian's own package stands in.
"""

from __future__ import annotations

from pathlib import Path

from sugar_deploy.errors import DeployError

PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686", "armhf": "armv7l"}
"""Debian's names of architectures, and those in the names of wheels."""

DEBIAN = "# Debian:"
_FOLDER = Path(__file__).resolve().parent
BUILD_LOCK = _FOLDER / "build.txt"
"""What builds the tool's own wheel."""


def lock_file(suite: str, architecture: str) -> Path:
    """The requirements file of a target: `name==version --hash=sha256:…`, one a line."""
    return _FOLDER / f"{suite}-{architecture}.txt"


def lock_text(suite: str, architecture: str) -> str:
    """What a target's requirements file says."""
    try:
        return lock_file(suite, architecture).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DeployError(
            f"sugar-deploy has no list of Python packages for {suite} on {architecture}",
            f"It has them for {', '.join(PYTHONS)} on {', '.join(MACHINES)}",
        ) from None


def debian_python_packages(suite: str, architecture: str) -> tuple[str, ...]:
    """Debian's packages that the tool needs there because no wheel exists, sorted; mostly none."""
    lines = lock_text(suite, architecture).splitlines()
    return tuple(name for line in lines if line.startswith(DEBIAN) for name in line.removeprefix(DEBIAN).split())
