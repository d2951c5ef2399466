"""Packages made by hand, for what the tests' own sources do not show."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path


def make_deb(
    folder: Path,
    name: str,
    version: str = "1",
    *,
    architecture: str = "all",
    source: str = "",
    text: str = "",
    files: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> Path:
    """A .deb; files whose names end in .gz are compressed."""
    folder.mkdir(parents=True, exist_ok=True)
    tree = folder / f"{name}-tree"
    (tree / "DEBIAN").mkdir(parents=True)
    fields = f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
    fields += f"Source: {source}\n" if source else ""
    (tree / "DEBIAN/control").write_text(
        f"{fields}Maintainer: Nobody <nobody@example.org>\nDescription: a test\n {text or name}\n"
    )
    for place, content in (files or {}).items():
        path = tree / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content.encode(), mtime=0) if place.endswith(".gz") else content.encode())
    for place, target in (links or {}).items():
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        (tree / place).symlink_to(target)
    deb = folder / f"{name}_{version.replace(':', '_')}_{architecture}.deb"
    argv = ["dpkg-deb", "--root-owner-group", "--build", tree, deb]
    # The same bytes each time.
    subprocess.run(argv, env=os.environ | {"SOURCE_DATE_EPOCH": "1780000000"}, check=True, capture_output=True)
    shutil.rmtree(tree)
    return deb


def entry(source: str, version: str, *items: str) -> str:
    """An entry of a Debian changelog."""
    listed = "".join(f"  * {item}\n" for item in items)
    return (
        f"{source} ({version}) stable; urgency=medium\n\n{listed}\n"
        " -- Nobody <nobody@example.org>  Mon, 01 Jun 2026 12:00:00 +0000\n\n"
    )
