# SPDX-License-Identifier: GPL-3.0-or-later
"""Sugar's profile of the child: its files, its settings and what the laptop is called."""

from __future__ import annotations

import ast
import os
import random
import re
import string
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sugar_client.command import Failed
from sugar_client.files import write

DEFAULT_SERVER = "schoolserver"
_SERIAL = re.compile(r"[A-Za-z0-9_]{1,20}")
_MACHINE = (Path("/ofw/mfg-data"), Path("/proc/device-tree/mfg-data"))


@dataclass(frozen=True)
class Profile:
    """The folder that Sugar keeps for one child, and in it our own."""

    folder: Path

    @classmethod
    def here(cls) -> Profile:
        return cls(profile_of(os.environ))

    @property
    def datastore(self) -> Path:
        return self.folder / "datastore"

    @property
    def owner_key(self) -> Path:
        """The key that Sugar itself registers with; made at its first start."""
        return self.folder / "owner.key"

    @property
    def own(self) -> Path:
        """What this program keeps: its key, the server's, the registration and how the last backup went."""
        return self.folder / "school-server"

    def make_own(self) -> Path:
        if not self.folder.is_dir():
            raise Failed(f"{self.folder}: there is no such profile. Start Sugar once, which makes it.")
        self.own.mkdir(mode=0o700, exist_ok=True)
        return self.own

    def serial(self) -> str:
        """What Sugar registered with; else the machine's; else one made up once, in Sugar's form."""
        candidates = [
            self.folder / "identifiers" / "sn",
            *(folder / "SN" for folder in _MACHINE),
            self.own / "serial",
        ]
        for path in candidates:
            serial = _text(path)
            if _SERIAL.fullmatch(serial):
                return serial
        letters = "".join(random.choices(string.ascii_uppercase, k=3))  # noqa: S311 (a name, no secret)
        serial = f"{letters}{int(time.time()) % 10**8:08d}"
        write(self.make_own() / "serial", serial)
        return serial

    def uuid(self) -> str:
        """The machine's UUID, or nothing."""
        found = (_text(path) for path in (self.folder / "identifiers" / "uuid", *(at / "U#" for at in _MACHINE)))
        return next(filter(None, found), "")

    def nick(self) -> str:
        return setting("org.sugarlabs.user", "nick") or os.environ.get("USER", "")


def profile_of(environment: Mapping[str, str]) -> Path:
    """The folder that a program with this environment uses: sugar3.env."""
    home = environment.get("SUGAR_HOME") or Path(environment.get("HOME") or Path.home()) / ".sugar"
    return Path(home) / (environment.get("SUGAR_PROFILE") or "default")


def sugars_server() -> str | None:
    """The host that Sugar registered with; None where it has not."""
    backup_url = setting("org.sugarlabs", "backup-url")
    return backup_url.rpartition("@")[2].partition(":")[0] or None


def preset_server() -> str:
    """Where to register: what Sugar registered with, what the deployment has set, or every school's."""
    return sugars_server() or setting("org.sugarlabs.collaboration", "jabber-server") or DEFAULT_SERVER


def setting(schema: str, key: str) -> str:
    """A text among Sugar's settings; empty where there is none."""
    try:
        said = subprocess.run(
            ["gsettings", "get", schema, key], capture_output=True, text=True, timeout=30, check=True
        )
        # GVariant writes strings as Python does.
        value = ast.literal_eval(said.stdout.strip())
    except (OSError, subprocess.SubprocessError, ValueError, SyntaxError):
        return ""
    return value if isinstance(value, str) else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""
