# SPDX-License-Identifier: GPL-3.0-or-later
"""Sugar's Journal on disk: one folder for each entry, as carquinyol's layout 6 has it, or an older one."""

from __future__ import annotations

from pathlib import Path


def count_entries(datastore: Path) -> int:
    """How many entries there are; as the school server counts them."""
    if (datastore / "store").is_dir():
        return sum(1 for _ in (datastore / "store").glob("*.metadata"))
    prefixes = [path for path in _folders(datastore) if len(path.name) == 2]
    return sum(1 for prefix in prefixes for path in _folders(prefix) if len(path.name) == 36)


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
