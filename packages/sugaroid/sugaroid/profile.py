# SPDX-License-Identifier: GPL-3.0-or-later
"""A Sugar profile: who the laptop is, and the folder `~/.sugar/default` that keeps it."""

from __future__ import annotations

import configparser
import hashlib
import io
import os
import random
import re
import string
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sugaroid import keys
from sugaroid.errors import InvalidInput, reason
from sugaroid.keys import KeyPair

NO_SERIAL = "SHF00000000"
NO_UUID = "00000000-0000-0000-0000-000000000000"

_NICKS = ("Ana", "José", "Mei", "Omar", "Yma", "Ravi", "Zoë", "Kofi", "Lucía", "Tane", "Aiyana", "Пётр")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6},#[0-9A-Fa-f]{6}")


@dataclass(frozen=True)
class Hardware:
    """Serial and UUID as one registration attempt sends them."""

    serial: str
    uuid: str


@dataclass(frozen=True)
class Profile:
    """One laptop's identity. `hardware` is set for an XO; a PC makes up a new one at each attempt."""

    keys: KeyPair
    nick: str
    color: str
    hardware: Hardware | None = None

    @classmethod
    def make(
        cls,
        seed: str | None = None,
        *,
        kind: str = "dsa",
        nick: str | None = None,
        color: str | None = None,
        hardware: Hardware | None = None,
    ) -> Profile:
        """A new profile; with a seed always the same one."""
        chance: random.Random = random.Random(f"profile:{seed}") if seed is not None else random.SystemRandom()  # noqa: S311
        return cls(
            keys.generate(kind, seed),
            chance.choice(_NICKS) if nick is None else nick,
            _random_color(chance) if color is None else _checked_color(color),
            hardware,
        )

    @property
    def pubkey(self) -> str:
        """The key's text as Sugar registers and publishes it."""
        return self.keys.pubkey

    @property
    def account(self) -> str:
        """The local part of the laptop's JID."""
        return hashlib.sha1(self.pubkey.encode()).hexdigest()  # noqa: S324 - Sugar's rule

    @property
    def password(self) -> str:
        """The XMPP password."""
        return self.keys.privkey_hash

    def attempt(self, *, now: Callable[[], float] = time.time, chance: random.Random | None = None) -> Hardware:
        """Serial and UUID for one registration attempt: an XO's own, or a PC's, new each time."""
        if self.hardware is not None:
            return self.hardware
        letters = chance or random.SystemRandom()
        serial = "".join(letters.choice(string.ascii_uppercase) for _ in range(3))
        return Hardware(serial + str(int(now()))[-8:], str(uuid.uuid1()))

    def save(self, folder: Path) -> None:
        """Write the profile's folder, 0700, its files 0600, each in one step; keeps what else is in it."""
        settings = configparser.ConfigParser(interpolation=None)
        _check_nick(self.nick)
        settings["Buddy"] = {"NickName": self.nick, "Color": self.color}
        if self.hardware is not None:
            settings["Hardware"] = {"Serial": self.hardware.serial, "UUID": self.hardware.uuid}
        text = io.StringIO()
        settings.write(text)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            _write(folder / "owner.key", self.keys.private_text)
            _write(folder / "owner.key.pub", self.keys.public_text)
            _write(folder / "config", text.getvalue())
        except OSError as error:
            raise InvalidInput(f"the profile {folder} cannot be written: {reason(error)}") from error

    @classmethod
    def load(cls, folder: Path) -> Profile:
        """The profile kept in a folder: one of ours, or a laptop's own (nick and colour are then made up)."""
        settings = configparser.ConfigParser(interpolation=None)
        try:
            pair = KeyPair((folder / "owner.key").read_text("ascii"), (folder / "owner.key.pub").read_text("utf-8"))
            if (folder / "config").exists():
                settings.read_string((folder / "config").read_text("utf-8"))
        except (OSError, ValueError, configparser.Error) as error:
            raise InvalidInput(f"the profile {folder} cannot be read: {error}") from error
        pair.privkey_hash  # noqa: B018 - both fail here rather than in the middle of a session
        made_up = random.Random(pair.pubkey)  # noqa: S311
        hardware = None
        if settings.has_section("Hardware"):
            hardware = Hardware(
                settings.get("Hardware", "Serial", fallback=NO_SERIAL),
                settings.get("Hardware", "UUID", fallback=NO_UUID),
            )
        nick = settings.get("Buddy", "NickName", fallback=made_up.choice(_NICKS))
        color = settings.get("Buddy", "Color", fallback=_random_color(made_up))
        return cls(pair, nick, _checked_color(color), hardware)

    def note_attempt(self, folder: Path, hardware: Hardware, backup_url: str = "") -> None:
        """Sugar's `identifiers` folder, which the backup client reads; written before the call."""
        identifiers = folder / "identifiers"
        identifiers.mkdir(mode=0o700, exist_ok=True)
        for name, text in (("sn", hardware.serial), ("uuid", hardware.uuid), ("backup_url", backup_url)):
            _write(identifiers / name, text)


def _random_color(chance: random.Random) -> str:
    return ",".join(f"#{chance.randrange(1 << 24):06X}" for _ in range(2))


def _checked_color(color: str) -> str:
    if not _COLOUR.fullmatch(color):
        raise InvalidInput(f"{color!r} is no Sugar colour; write it like #FF2B34,#00588C")
    return color


def _check_nick(nick: str) -> None:
    if not nick.isprintable() or nick != nick.strip():
        raise InvalidInput("a nick with control characters or blanks around it cannot be saved; choose another")


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
