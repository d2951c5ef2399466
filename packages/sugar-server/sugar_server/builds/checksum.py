# SPDX-License-Identifier: GPL-3.0-or-later
"""The checksum that comes with a build, in a file beside it: X.md5, X.sha1, X.sha256 or X.sha512."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

KINDS = ("sha512", "sha256", "sha1", "md5")
"""The strongest first."""


class Wrong(Exception):
    """The file is not the one that the checksum is of."""


def read(archive: Path) -> tuple[str, str]:
    """Kind and value of the checksum beside an archive: of several the strongest."""
    for kind in KINDS:
        path = archive.with_name(f"{archive.name}.{kind}")
        if path.exists():
            words = path.read_text(encoding="utf-8", errors="replace").split()
            digits = 2 * hashlib.new(kind, usedforsecurity=False).digest_size
            if not words or not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", words[0]):
                raise Wrong(f"{path} does not begin with a {kind} checksum. Write it with {kind}sum.")
            return kind, words[0].lower()
    shown = ", ".join(f"{archive.name}.{kind}" for kind in reversed(KINDS))
    raise Wrong(f"{archive} comes without a checksum. Put one of these beside it: {shown}.")


def check(file: BinaryIO, kind: str, value: str) -> None:
    """Compare a file with its checksum, and leave it at its beginning."""
    total = hashlib.new(kind, usedforsecurity=False)
    while piece := file.read(1024 * 1024):
        total.update(piece)
    file.seek(0)
    if total.hexdigest() != value:
        raise Wrong(f"it does not match its {kind} checksum. Copy it again")
