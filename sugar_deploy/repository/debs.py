"""The .deb files that a repository holds, and the identity of a set of them."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.files import sha256_of
from sugar_deploy.keys.gpg import clean_environment

COMPONENT = "main"
ARCHITECTURES = ("amd64", "arm64", "i386", "armhf", "all")
_FIELDS = "${Package}\\n${Version}\\n${Architecture}\\n${source:Package}\\n"


@dataclass(frozen=True, slots=True, order=True)
class Deb:
    """One binary package; `path` is where it lies now and no part of its identity."""

    name: str
    version: str
    architecture: str
    sha256: str
    path: Path
    origin: str = "ours"
    """ours, configuration, deployer or debian."""
    source: str = ""
    """The source package, without its version; empty: of the same name."""
    size: int = 0
    """In bytes; 0: not measured."""
    required: bool = field(default=False, compare=False)
    """Whether Debian says that every installation has it; the package itself may say otherwise."""

    @property
    def identity(self) -> str:
        """Name, version, architecture and content, on one line."""
        return f"{self.name} {self.version} {self.architecture} {self.sha256}"


def inspect(path: Path, origin: str = "ours") -> Deb:
    """What a .deb file says that it is; raises UsageError for what apt could not install from our repository."""
    result = subprocess.run(
        ["dpkg-deb", f"--showformat={_FIELDS}", "--show", str(path)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    fields = result.stdout.splitlines()
    if result.returncode or len(fields) != 4 or not all(fields):
        raise UsageError(f"{path} is no Debian package, or a damaged one", "Replace it by a whole one, or remove it")
    name, version, architecture, source = fields
    if architecture not in ARCHITECTURES:
        raise UsageError(
            f"{path} is for {architecture}, which no server of ours runs",
            f"The repository holds packages for {', '.join(ARCHITECTURES)}",
        )
    sha256 = sha256_of(path)
    return Deb(name, version, architecture, sha256, path, origin, source, path.stat().st_size)


def collect(paths: Iterable[Path]) -> tuple[Deb, ...]:
    """All packages, sorted; raises UsageError when two differ under one name, version and architecture."""
    return merged(inspect(path) for path in paths)


def merged(debs: Iterable[Deb]) -> tuple[Deb, ...]:
    """The packages, sorted, each once; raises UsageError when two differ under one name, version, architecture."""
    found: dict[tuple[str, str, str], Deb] = {}
    for deb in debs:
        key = (deb.name, deb.version, deb.architecture)
        other = found.setdefault(key, deb)
        if other.sha256 != deb.sha256:
            raise UsageError(
                f"{other.path} and {deb.path} are both {deb.name} {deb.version} for {deb.architecture}, "
                "yet they differ",
                "Give one of them another version, or remove it",
            )
    return tuple(sorted(found.values()))


def snapshot_id(identities: Iterable[str], deployment: str) -> str:
    """Twelve hex digits that depend on what is published for whom, not on when, nor on who signs."""
    settings = [deployment, COMPONENT, *ARCHITECTURES]
    text = "\n".join([*settings, *sorted(set(identities))])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
