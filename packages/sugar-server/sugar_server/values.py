# SPDX-License-Identifier: GPL-3.0-or-later
"""How a setting's text becomes a value: each reader returns it or raises Wrong, with the remedy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Callable

Reader = Callable[[str], Any]
Keys = Mapping[str, Reader]
"""The keys of one section of the settings."""

_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class Wrong(ValueError):
    """The text is no such value."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def host(value: str) -> str:
    """A DNS name, in lower case."""
    if len(value) > 253 or not _HOST.fullmatch(value) or re.fullmatch(r"[0-9.]+", value):
        raise Wrong(f"{value!r} is not a DNS name", "Write the server's full name, as schoolserver.example.org.")
    return value.lower()


def title(value: str) -> str:
    """A name for people, on one line."""
    if len(value) > 200 or any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in value):
        raise Wrong("is not a name of at most 200 characters", "Write the school's name on one line.")
    return value


def choice(*choices: str) -> Reader:
    """One of a few words."""

    def read(value: str) -> str:
        if value not in choices:
            raise Wrong(f"{value!r} is not a choice", f"Write one of: {', '.join(choices)}.")
        return value

    return read


def boolean(value: str) -> bool:
    """yes or no."""
    return choice("yes", "no")(value) == "yes"


def whole(least: int, most: int, unit: str) -> Reader:
    """A whole number of a unit, within bounds."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise Wrong(f"{value!r} is not a whole number of {unit}", f"Write digits only, {least} to {most}.")
        return int(value)

    return read


def mebibytes(value: str) -> int:
    """A whole number of MiB, as bytes."""
    if not re.fullmatch(r"[0-9]{1,7}", value):
        raise Wrong(f"{value!r} is not a whole number of MiB", "Write digits only, as 64.")
    return int(value) * 1024 * 1024


def path(value: str) -> str:
    """An absolute path."""
    if not value.startswith("/") or "\0" in value:
        raise Wrong(f"{value!r} is not an absolute path", "Write it from /, as /etc/sugar-server/laptops.csv.")
    return value
