# SPDX-License-Identifier: GPL-3.0-or-later
"""What the laptop is called at its school server, and where that is: from Sugar's profile."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from sugar_client.files import read_object
from sugar_client.profile import Profile, preset_server

_KEY_TYPES = ("ssh-dss ", "ssh-ed25519 ", "ssh-rsa ", "ecdsa-sha2-nistp256 ")
_SECONDS = 30


def names(profile: Profile) -> list[str]:
    """The names under which the server may know this laptop: the SHA-1 of Sugar's key, and of sugar-client's.

    A key's text is hashed as it was registered: without its type.
    """
    lines = [*_text(profile.folder / "owner.key.pub").splitlines(), _public(profile.own / "client.key")]
    stripped = [line.strip() for line in lines]
    keys = [line[len(kind) :].strip() for kind in _KEY_TYPES for line in stripped if line.startswith(kind)]
    # Sugar's own choice: the name guards nothing.
    found = [hashlib.sha1(key.encode()).hexdigest() for key in keys]  # noqa: S324
    return list(dict.fromkeys(found))


def server(profile: Profile) -> str:
    """The address of the school server: where the laptop is registered, or what Sugar is set to."""
    registered = read_object(profile.own / "registration.json").get("server")
    return f"http://{registered if isinstance(registered, str) and registered else preset_server()}"


def _public(key: Path) -> str:
    """The public half of a private key, as type and base64; empty if there is none."""
    if not key.exists():
        return ""
    argv = ["ssh-keygen", "-y", "-P", "", "-f", str(key)]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_SECONDS, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return " ".join(done.stdout.split()[:2])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
