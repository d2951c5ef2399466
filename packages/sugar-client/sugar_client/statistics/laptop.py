# SPDX-License-Identifier: GPL-3.0-or-later
"""What the laptop is called at its school server, and where that is: from Sugar's profile."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
from pathlib import Path

_KEY_TYPES = ("ssh-dss ", "ssh-ed25519 ", "ssh-rsa ", "ecdsa-sha2-nistp256 ")
_SERVER = "schoolserver"
_SECONDS = 30


def profile() -> Path:
    """As Sugar finds it: sugar3.env."""
    home = os.environ.get("SUGAR_HOME") or Path.home() / ".sugar"
    return Path(home) / (os.environ.get("SUGAR_PROFILE") or "default")


def own(folder: Path) -> Path:
    """The folder in the profile for what sugar-client keeps."""
    return folder / "school-server"


def names(folder: Path) -> list[str]:
    """The names under which the server may know this laptop: the SHA-1 of Sugar's key, and of sugar-client's.

    A key's text is hashed as it was registered: without its type.
    """
    lines = [*_text(folder / "owner.key.pub").splitlines(), _public(own(folder) / "client.key")]
    stripped = [line.strip() for line in lines]
    keys = [line[len(kind) :].strip() for kind in _KEY_TYPES for line in stripped if line.startswith(kind)]
    # Sugar's own choice: the name guards nothing.
    found = [hashlib.sha1(key.encode()).hexdigest() for key in keys]  # noqa: S324
    return list(dict.fromkeys(found))


def server(folder: Path) -> str:
    """The address of the school server: where the laptop is registered, or what Sugar is set to."""
    try:
        registered = json.loads(_text(own(folder) / "registration.json"))["server"]
    except (ValueError, TypeError, KeyError):
        registered = None
    if isinstance(registered, str) and registered:
        return f"http://{registered}"
    # Sugar's registration sets both; before it the latter may be a deployment's preset.
    host = _setting("org.sugarlabs", "backup-url").rpartition("@")[2].partition(":")[0]
    return f"http://{host or _setting('org.sugarlabs.collaboration', 'jabber-server') or _SERVER}"


def _setting(schema: str, key: str) -> str:
    """One of Sugar's own settings; empty where there is none."""
    argv = ["gsettings", "get", schema, key]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=True)
        value = ast.literal_eval(done.stdout.strip())  # GVariant writes texts as Python does
    except (OSError, subprocess.SubprocessError, ValueError, SyntaxError):
        return ""
    return value if isinstance(value, str) else ""


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
