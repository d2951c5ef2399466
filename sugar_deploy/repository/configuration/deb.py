"""Writes a generated package as a .deb: the same bytes for the same content, version and date."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import tempfile
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.repository.configuration.package import MAINTAINER, Package
from sugar_deploy.repository.configuration.templates import template


def deb_name(package: Package, version: str) -> str:
    """The file's name."""
    return f"{package.name}_{version}_all.deb"


def write_deb(package: Package, version: str, epoch: int, into: Path) -> Path:
    """Build one package into a folder; `epoch` is the date of all that it holds, in seconds."""
    target = into / deb_name(package, version)
    with tempfile.TemporaryDirectory(prefix=f".{package.name}.", dir=into) as area:
        tree = Path(area) / "tree"
        _lay_out(package, version, epoch, tree)
        built = Path(area) / target.name
        _run(deb_argv(tree, built), epoch)
        built.chmod(0o644)
        with built.open("rb") as file:
            os.fsync(file.fileno())
        built.replace(target)
    return target


def deb_argv(tree: Path, target: Path) -> tuple[str, ...]:
    """Everything belongs to root whoever builds it; one thread, because more would cut the data differently."""
    options = ("--root-owner-group", "-Zxz", "--threads-max=1", "--uniform-compression")
    return ("dpkg-deb", *options, "--build", str(tree), str(target))


def _lay_out(package: Package, version: str, epoch: int, tree: Path) -> None:
    data = {path: text.encode() for path, text in package.files.items()}
    documentation = f"usr/share/doc/{package.name}"
    data[f"{documentation}/copyright"] = template("copyright").encode()
    data[f"{documentation}/changelog.gz"] = gzip.compress(_changelog(package, version, epoch).encode(), 9, mtime=0)
    control = {
        "control": package.control(version, sum(len(content) // 1024 + 1 for content in data.values())),
        "md5sums": "".join(f"{_md5(data[path])}  {path}\n" for path in sorted(data) if not path.startswith("etc/")),
        "conffiles": "".join(f"{path}\n" for path in package.conffiles),
    }
    for path, content in data.items():
        _put(tree / path, content, 0o644)
    for name, text in control.items():
        if text:
            _put(tree / "DEBIAN" / name, text.encode(), 0o644)
    for name, text in package.scripts.items():
        _put(tree / "DEBIAN" / name, text.encode(), 0o755)
    for entry in [*tree.rglob("*"), tree]:
        if entry.is_dir():
            entry.chmod(0o755)
        os.utime(entry, (epoch, epoch))


def _put(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _changelog(package: Package, version: str, epoch: int) -> str:
    date = format_datetime(datetime.fromtimestamp(epoch, UTC))
    return (
        f"{package.name} ({version}) stable; urgency=medium\n\n"
        "  * Generated from the deployment file.\n\n"
        f" -- {MAINTAINER}  {date}\n"
    )


def _run(argv: tuple[str, ...], epoch: int) -> None:
    environment = clean_environment() | {"SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC"}
    try:
        result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DeployError(
            "configuration packages cannot be built, because this machine lacks dpkg",
            "Run: sudo apt-get install dpkg",
        ) from None
    if result.returncode:
        raise DeployError(f"the configuration package {Path(argv[-1]).name} cannot be built: {result.stderr.strip()}")
