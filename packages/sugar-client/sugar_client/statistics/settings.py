# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether statistics are wanted: the machine's file and the profile's may both say no."""

from __future__ import annotations

import configparser
from collections.abc import Iterable
from pathlib import Path

from sugar_client.command import Failed

MACHINE = Path("/etc/sugar-client/sugar-client.conf")
NAME = "sugar-client.conf"
"""Of the file in the profile's own folder."""


def enabled(files: Iterable[Path]) -> bool:
    """Whether none of the files says `[statistics] enabled = no`; one that cannot be understood is an error."""
    return all(_enabled(path) for path in files)


def _enabled(path: Path) -> bool:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return True
    except (OSError, ValueError, configparser.Error) as error:
        reason = " ".join(str(error).split())
        raise Failed(f"{path} cannot be read ({reason}). Correct it, or remove it.") from None
    value = parser.get("statistics", "enabled", fallback="yes")
    if value not in {"yes", "no"}:
        raise Failed(f"{path}: [statistics] enabled: {value!r} is no choice. Write yes or no.")
    return value == "yes"
