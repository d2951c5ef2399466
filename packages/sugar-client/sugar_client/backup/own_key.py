# SPDX-License-Identifier: GPL-3.0-or-later
"""The laptop's Ed25519 key for the school server: Sugar's own is DSA, which OpenSSH no longer knows."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

from sugar_client.command import Failed

NAME = "client.key"


def make(folder: Path) -> Path:
    """The key in FOLDER, made where there is none: whole or not at all, and never over another."""
    path = folder / NAME
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder, prefix=".key-") as scratch:
            new = Path(scratch) / NAME
            _keygen("-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(new))
            with new.open("rb") as file:
                os.fsync(file.fileno())
            # A link, unlike a renaming, gives way to a key that another process has made meanwhile.
            with contextlib.suppress(FileExistsError):
                os.link(new, path)
    return path


def public(path: Path) -> str:
    """Its public half, as type and base64."""
    return " ".join(_keygen("-y", "-P", "", "-f", str(path)).split()[:2])


def _keygen(*words: str) -> str:
    try:
        done = subprocess.run(
            ["ssh-keygen", *words], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
        )
    except FileNotFoundError:
        raise Failed("ssh-keygen is missing. Install the package openssh-client.") from None
    if done.returncode != 0:
        raise Failed(f"{words[-1]}: ssh-keygen failed: {done.stderr.strip()}. Without the file a new one is made.")
    return done.stdout
